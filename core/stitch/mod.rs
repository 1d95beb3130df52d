//! The stitcher: origin playlists and pods in, playlist text out. Pure.
//!
//! - [`track`]: one version of an origin rendition on the channel's media clock, its text ready to be copied.
//! - [`avails`]: what detectors found, joined from version to version.
//! - [`ladder`]: an ad's creative, and which of its rungs fits which rendition.
//! - [`pod`]: the ads (and slate) of one avail laid end to end.
//! - [`timeline`]: a viewer's splices: when a pod starts, where content resumes, what is still owed.
//! - [`render`]: track + timeline → the media playlist, numbered so that nothing published ever changes.
//!
//! Deliberately does not know the network, tenants, or why an ad was chosen.

pub mod avails;
pub mod ladder;
pub mod pod;
pub mod render;
pub mod timeline;
pub mod track;

use crate::domain::Span;

/// Two times closer than this are the same: PROGRAM-DATE-TIME carries milliseconds, audio frames end up to 24 ms late.
pub const TOLERANCE: Span = Span::from_millis(50);
