//! Downloads for a network without one.

use std::path::Path;

use crate::action::download::Download;
use crate::base::redact::Redactor;
use crate::port::action::Args;

/// Fetches what `args` name into `folder`, unless it is there already; gives the file's name.
///
/// # Errors
/// It cannot be fetched, is not what its sum says, or cannot be written.
pub async fn fetch(redact: &Redactor, args: &Args, folder: &Path) -> Result<String, String> {
    let download = Download::of(args).map_err(|e| format!("{}; {}", e.text, e.remedy))?.ok_or("there is nothing to download")?;
    let path = folder.join(download.file_name());
    if std::fs::read(&path).is_ok_and(|bytes| download.is(&bytes)) {
        return Ok(download.file_name());
    }
    let bytes = download.alone().await.map_err(|e| redact.clean(&e.to_string()))?;
    let beside = path.with_extension("part");
    let write = || {
        std::fs::write(&beside, &bytes)?;
        std::fs::File::open(&beside)?.sync_all()?;
        std::fs::rename(&beside, &path)
    };
    write().map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(download.file_name())
}
