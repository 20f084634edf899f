//! Recipes of golden images: `profiles/image.toml`, or a file of the operator's.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::error::Described;
use super::load::read_file;
use super::place::{Placed, Source};
use super::services::read_script;
use crate::model::{Recipe, RecipeParts};

const BUILT_IN: &str = include_str!("../../profiles/image.toml");
const BUILT_IN_NAME: &str = "profiles/image.toml";

/// Reads a recipe, or larm's own where none is named. What a file leaves out is as in larm's own,
/// but for packages and script, which it names or has not.
///
/// # Errors
/// [`ConfigError`], with the file and the line.
pub fn recipe(file: Option<&Path>) -> Result<Recipe, ConfigError> {
    let own = Source { path: PathBuf::from(BUILT_IN_NAME), bytes: BUILT_IN.as_bytes().to_vec() };
    let own = parse(&own)?;
    let Some(file) = file else { return own.into_recipe(None) };
    let source = read_file(file)?;
    let written = parse(&source)?;
    let merged = Written {
        base: written.base.or(own.base),
        packages: written.packages,
        docker: written.docker.or(own.docker),
        application: written.application.or(own.application),
        trim: written.trim.or(own.trim),
        script: written.script,
    };
    merged.into_recipe(Some(&source))
}

/// A recipe as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    base: Option<Base>,
    packages: Option<Vec<Package>>,
    docker: Option<bool>,
    application: Option<bool>,
    trim: Option<bool>,
    script: Option<Placed<PathBuf>>,
}

/// An alias, a fingerprint, or `REMOTE:ALIAS`; what it means is seen when it is used.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Base(String);

/// The name of a package, maybe with a version: `git`, `git=1:2.39.5-0`, `libc6:i386`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Package(String);

impl Written {
    fn into_recipe(self, source: Option<&Source>) -> Result<Recipe, ConfigError> {
        let script = match (self.script, source) {
            (Some(script), Some(source)) => Some(read(&script, source)?),
            (Some(_), None) | (None, _) => None,
        };
        Ok(Recipe {
            base: self.base.map(|base| base.0).unwrap_or_default(),
            packages: self.packages.into_iter().flatten().map(|one| one.0).collect(),
            script,
            parts: RecipeParts {
                docker: self.docker.unwrap_or_default(),
                application: self.application.unwrap_or_default(),
                trim: self.trim.unwrap_or_default(),
            },
        })
    }
}

fn parse(source: &Source) -> Result<Written, ConfigError> {
    let path = &source.path;
    let text = str::from_utf8(&source.bytes).map_err(|error| ConfigError::Encoding {
        path: path.clone(),
        line: source.line(error.valid_up_to()),
    })?;
    let written: Written = toml::from_str(text).map_err(|error| ConfigError::Value {
        path: path.clone(),
        line: source.line(error.span().map_or(0, |span| span.start)),
        source: Described::new(&error),
    })?;
    Ok(written)
}

/// Reads the operator's script. A relative path is one from the recipe's directory.
fn read(script: &Placed<PathBuf>, source: &Source) -> Result<String, ConfigError> {
    let beside = source.path.parent().unwrap_or(Path::new("."));
    let path = beside.join(&script.value);
    read_script(&path).map_err(|why| {
        let message = format!("the script {} {why}", path.display());
        ConfigError::Faults(vec![script.place.fault(source, message)])
    })
}

impl TryFrom<String> for Base {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let usable = |c: char| !c.is_whitespace() && !c.is_control();
        if !text.is_empty() && text.len() <= 255 && text.chars().all(usable) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no image: write its alias or fingerprint, or REMOTE:ALIAS"))
    }
}

impl TryFrom<String> for Package {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+-.:=~_".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= 200 && text.chars().all(allowed) {
            return Ok(Self(text));
        }
        // What begins with a hyphen would be an option of apt-get's.
        Err(format!("{text:?} is no name of a package"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Recipe, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("good"), "#!/bin/sh\ntrue\n").unwrap();
        std::fs::write(folder.path().join("bad"), "true\n").unwrap();
        let place = folder.path().display().to_string();
        recipe(Some(&file)).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn the_built_in_recipe_is_one() {
        let own = recipe(None).unwrap();
        assert_eq!(own.base, "larm-debian12");
        assert!(own.packages.iter().any(|package| package == "git"));
        assert!(own.parts.application && own.parts.trim && !own.parts.docker);
    }

    #[test]
    fn what_a_file_leaves_out_is_as_built_in() {
        let recipe = of("packages = [\"file\"]\nscript = \"good\"\ntrim = false\n").unwrap();
        assert_eq!(recipe.base, "larm-debian12");
        assert_eq!(recipe.packages, ["file"]);
        assert_eq!(recipe.script.as_deref(), Some("#!/bin/sh\ntrue\n"));
        assert!(recipe.parts.application && !recipe.parts.trim);
        assert!(of("").unwrap().packages.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let wrong = |text: &str| of(text).unwrap_err().lines().next().unwrap().to_owned();
        assert!(wrong("\npackage = []\n").starts_with("/r.toml:2: "), "{}", wrong("\npackage = 1"));
        assert!(wrong("packages = [\"-y\"]\n").starts_with("/r.toml:1: "));
        let script = wrong("docker = false\nscript = \"bad\"\n");
        assert!(script.starts_with("/r.toml:2: the script /bad does not say who"), "{script}");
        assert!(wrong("script = \"none\"\n").contains("cannot be read"));
    }
}
