//! Puts the example tenants into a data folder, with the server's own address in their URLs.
//!
//! It never overwrites what a user changed, and knows nothing of what a bundle means.

use std::{fs, io, path::Path};

use include_dir::{Dir, DirEntry};

use super::EXAMPLES;

/// What the example bundles write where the demo origin's address belongs.
pub const PLACEHOLDER_ADDRESS: &str = "http://127.0.0.1:8080";
/// The origin is mounted here; in the bundles this follows every placeholder.
const ORIGIN_PATH: &str = "/demo/";
/// The folders of `examples/` that are tenants.
const TENANTS: [&str; 2] = ["wkkworld", "streamtv"];

/// Writes `<dir>/tenants/<slug>/…` for each example tenant; `dir` is the server's data folder and `base_url` the
/// address that its clients and it itself reach it at, such as `http://127.0.0.1:8080`.
///
/// A file that is there already stays, unless it is what this function wrote for another address.
pub fn write_demo_tenants(dir: &Path, base_url: &str) -> io::Result<()> {
    for tenant in TENANTS {
        let folder = EXAMPLES.get_dir(tenant).ok_or_else(|| io::Error::other(format!("no example tenant {tenant}")))?;
        write_folder(folder, &dir.join("tenants"), base_url)?;
    }
    Ok(())
}

fn write_folder(folder: &Dir<'_>, target: &Path, base_url: &str) -> io::Result<()> {
    fs::create_dir_all(target.join(folder.path()))?;
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(inner) => write_folder(inner, target, base_url)?,
            DirEntry::File(file) => {
                let Some(example) = file.contents_utf8() else { continue };
                let path = target.join(file.path());
                let ours = example.replace(PLACEHOLDER_ADDRESS, base_url.trim_end_matches('/'));
                match fs::read_to_string(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => fs::write(&path, ours)?,
                    Ok(there) if there != ours && written_for_another_address(example, &there) => {
                        fs::write(&path, ours)?
                    }
                    Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

/// Whether `there` is `example` with some address in the placeholder's stead, and nothing else changed.
fn written_for_another_address(example: &str, there: &str) -> bool {
    let Some((before, _)) = example.split_once(PLACEHOLDER_ADDRESS) else { return false };
    let Some(address) = there.strip_prefix(before).and_then(|rest| rest.split(ORIGIN_PATH).next()) else {
        return false;
    };
    example.replace(PLACEHOLDER_ADDRESS, address) == there
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(dir: &Path, tenant: &str) -> std::path::PathBuf {
        dir.join("tenants").join(tenant).join("tenant.yaml")
    }

    #[test]
    fn tenants_get_the_servers_address_and_follow_it_when_it_moves() {
        let dir = tempfile::tempdir().expect("folder");
        for base in ["http://127.0.0.1:9001", "http://[::1]:9002/"] {
            write_demo_tenants(dir.path(), base).expect("written");
            for tenant in TENANTS {
                let text = fs::read_to_string(manifest(dir.path(), tenant)).expect("manifest");
                let base = base.trim_end_matches('/');
                assert!(text.contains(&format!("hls_manifest_url: {base}/demo/")), "{text}");
                assert!(!text.contains(PLACEHOLDER_ADDRESS), "{text}");
            }
        }
    }

    #[test]
    fn a_file_that_the_user_changed_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("folder");
        write_demo_tenants(dir.path(), "http://127.0.0.1:9001").expect("written");
        let path = manifest(dir.path(), "wkkworld");
        let mine = fs::read_to_string(&path).expect("manifest") + "# mine\n";
        fs::write(&path, &mine).expect("changed");
        write_demo_tenants(dir.path(), "http://127.0.0.1:9002").expect("written again");
        assert_eq!(fs::read_to_string(&path).expect("manifest"), mine);
    }

    #[test]
    fn every_placeholder_is_an_address_of_the_demo_origin() {
        for tenant in TENANTS {
            let text = EXAMPLES.get_file(format!("{tenant}/tenant.yaml")).and_then(|file| file.contents_utf8());
            let text = text.expect("manifest");
            let placeholders = text.matches(PLACEHOLDER_ADDRESS).count();
            assert_eq!(placeholders, text.matches(&format!("{PLACEHOLDER_ADDRESS}{ORIGIN_PATH}")).count());
            assert!(placeholders > 4);
        }
    }
}
