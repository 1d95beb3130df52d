//! VAST error codes (VAST 4.2, 2.3.6.3): what `[ERRORCODE]` stands for in error URLs.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $meaning:literal;)+) => {
        /// A VAST error code. Each has its number and meaning.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* $name = $number,)+
        }
        impl ErrorCode {
            pub const ALL: &[Self] = &[$(Self::$name,)+];
            pub fn number(self) -> u16 {
                self as u16
            }
            /// In English, for logs and traces.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)+
                }
            }
        }
    };
}

codes! {
    XmlParsing = 100, "the response is not well-formed XML";
    SchemaValidation = 101, "the response does not follow the VAST schema";
    VersionUnsupported = 102, "the response's VAST version is not supported";
    Trafficking = 200, "the ad is of a type that was not expected or cannot be played";
    Linearity = 201, "the ad's linearity is not the expected one";
    Duration = 202, "the ad's duration is not the expected one";
    Size = 203, "the ad's size is not the expected one";
    CategoryMissing = 204, "a category is required and the ad has none";
    CategoryBlocked = 205, "a wrapper blocks the ad's category";
    BreakShortened = 206, "the break was shortened and the ad not served";
    Wrapper = 300, "a wrapper failed";
    WrapperTimeout = 301, "a wrapper's address did not answer in time, or not at all";
    WrapperLimit = 302, "too many wrappers, and no ad behind them";
    NoAdAfterWrapper = 303, "no ad behind the wrappers";
    DisplayTimeout = 304, "the ad was not shown in time";
    Linear = 400, "the linear ad could not be shown";
    FileNotFound = 401, "the media file was not found";
    FileTimeout = 402, "the media file did not arrive in time";
    NoSupportedFile = 403, "no media file of a supported kind";
    FileUnplayable = 405, "the media file could not be played";
    MezzanineMissing = 406, "a mezzanine file is required and there is none";
    /// What a stitcher answers for an ad that it has not prepared yet: it plays next time.
    MezzanineDownloading = 407, "the mezzanine file is being prepared; the ad is not served until it is ready";
    ConditionalRejected = 408, "the ad is conditional and was rejected";
    InteractiveNotExecuted = 409, "the interactive unit was not executed";
    VerificationNotExecuted = 410, "the verification unit was not executed";
    MezzanineUnfit = 411, "the mezzanine file does not have the required properties";
    NonLinear = 500, "the non-linear ad could not be shown";
    NonLinearSize = 501, "the non-linear ad does not fit the display area";
    NonLinearFetch = 502, "the non-linear ad could not be fetched";
    NonLinearUnsupported = 503, "no non-linear resource of a supported kind";
    Companion = 600, "the companion could not be shown";
    CompanionSize = 601, "the companion does not fit the display area";
    CompanionRequired = 602, "a required companion could not be shown";
    CompanionFetch = 603, "the companion could not be fetched";
    CompanionUnsupported = 604, "no companion resource of a supported kind";
    Undefined = 900, "an error that no other code describes";
    Vpaid = 901, "the VPAID unit failed";
    InteractiveCreative = 902, "the interactive creative file failed";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number(), self.meaning())
    }
}
