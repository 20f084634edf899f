//! Finds the files, reads them, and merges them in order.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::Described;
use super::fragment::Fragment;
use super::group::Group;
use super::place::{Faults, Source};
use super::{ConfigError, Overrides, Settings};

/// The file that is read if no other is named. It may be missing.
pub const DEFAULT_FILE: &str = "/etc/larm/larm.toml";

const DEFAULT_GROUP: &str = "larm";
const MAX_FILE: u64 = 1 << 20;

/// Reads the configuration: `file` and the drop-ins beside it (`NAME.d/*.toml` beside
/// `NAME.toml`), then what flags say.
///
/// Without `file` it is [`DEFAULT_FILE`], which may be missing; a file that was named must exist.
pub fn load(file: Option<&Path>, flags: Overrides) -> Result<Settings, ConfigError> {
    let mut sources: Vec<Source> = match file {
        Some(file) => vec![read_file(file)?],
        None => read_optional(Path::new(DEFAULT_FILE))?.into_iter().collect(),
    };
    for drop_in in drop_ins(file.unwrap_or(Path::new(DEFAULT_FILE)))? {
        sources.push(read_file(&drop_in)?);
    }
    let parsed = sources.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut faults = Faults::new(sources);
    let mut written = Fragment::default();
    for (file, fragment) in parsed.into_iter().enumerate() {
        written.merge(fragment, file, &mut faults);
    }
    let group_written = written.control_group.is_some();
    let mut settings = Settings::from_fragment(written, &mut faults);
    let faults = faults.into_sorted();
    if !faults.is_empty() {
        return Err(ConfigError::Faults(faults));
    }
    if !group_written {
        // Where groups cannot be read there is none to let in.
        settings.control_group = Group::find(DEFAULT_GROUP).ok().flatten();
    }
    settings.override_with(flags);
    Ok(settings)
}

fn read_optional(path: &Path) -> Result<Option<Source>, ConfigError> {
    match read_file(path) {
        Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

pub(super) fn read_file(path: &Path) -> Result<Source, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let mut capped = File::open(path).map_err(failed)?.take(MAX_FILE + 1);
    let length = capped.read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE) {
        return Err(ConfigError::TooLarge { path: path.to_owned(), limit: MAX_FILE });
    }
    Ok(Source { path: path.to_owned(), bytes })
}

fn parse(source: &Source) -> Result<Fragment, ConfigError> {
    let path = &source.path;
    let text = str::from_utf8(&source.bytes).map_err(|error| ConfigError::Encoding {
        path: path.clone(),
        line: source.line(error.valid_up_to()),
    })?;
    toml::from_str(text).map_err(|error| ConfigError::Value {
        path: path.clone(),
        line: source.line(error.span().map_or(0, |span| span.start)),
        source: Described::new(&error),
    })
}

/// The drop-ins beside a file, in the order of their names; none if their directory is missing.
fn drop_ins(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let dir = file.with_extension("d");
    let failed = |source| ConfigError::Read { path: dir.clone(), source };
    let listed = match fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let paths = listed.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.retain(|path| path.extension() == Some(OsStr::new("toml")));
    paths.sort();
    Ok(paths)
}
