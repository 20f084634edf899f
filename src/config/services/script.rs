//! `[services.pre_job]` and `[services.post_job]`: scripts of the operator's around each job.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::config::place::{Faults, Placed};
use crate::config::value::{AbsolutePath, Length};
use crate::model::{JobScript, OnFailure};

/// The longest script that is taken, in bytes: it is part of each guest's user-data.
const MAX_SCRIPT: usize = 64 * 1024;
const TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// A script around each job, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptSettings {
    /// Its file, which is read with the configuration.
    pub path: PathBuf,
    /// What was in it.
    pub script: JobScript,
}

/// `[services.pre_job]` or `[services.post_job]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScriptFragment {
    script: Option<Placed<AbsolutePath>>,
    on_failure: Option<OnFailure>,
    timeout: Option<Length>,
}

impl ScriptFragment {
    pub(super) fn merge(&mut self, later: Self, file: usize) {
        merge_placed!(self, later, file: script);
        merge!(self, later: on_failure, timeout);
    }

    /// Nothing without `script`.
    pub(super) fn into_settings(self, faults: &mut Faults) -> Option<ScriptSettings> {
        let Placed { value: AbsolutePath(path), place } = self.script?;
        let content = match read(&path) {
            Ok(content) => content,
            Err(why) => {
                faults.add(place, format!("the script {} {why}", path.display()));
                return None;
            }
        };
        let script = JobScript {
            content,
            on_failure: self.on_failure.unwrap_or_default(),
            timeout: self.timeout.map_or(TIMEOUT, |length| length.0),
        };
        Some(ScriptSettings { path, script })
    }
}

/// Reads a script, of which an error says what is wrong with it.
pub(in crate::config) fn read(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    // A fifo would keep the daemon waiting.
    if !file.metadata().map_err(failed)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let limit = u64::try_from(MAX_SCRIPT + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_SCRIPT {
        return Err(format!("is larger than {MAX_SCRIPT} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    if !text.starts_with("#!") {
        return Err("does not say who reads it: begin it with a line like `#!/bin/sh`".to_owned());
    }
    Ok(text)
}
