//! `${NAME}` and `${file:PATH}` in the values of a file, and of fields behind a flag: secrets stay out of both.

use std::{
    env,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

/// The longest first line of a file that is taken, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// A text with everything in it that `${…}` stands for; `$${` is a literal `${`. What was put in is added to `secrets`.
///
/// # Errors
/// What cannot be put in, and why.
pub(super) fn interpolate(text: &str, secrets: &mut Vec<String>) -> Result<String, String> {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            made.push_str(before);
            made.push_str("${");
            rest = &from[2..];
            continue;
        }
        made.push_str(before);
        let Some((name, behind)) = from[2..].split_once('}') else {
            return Err(
                "has ${ without its }; write $${ where the characters themselves are meant".to_owned()
            );
        };
        let value = match name.strip_prefix("file:") {
            Some(path) => first_line(path)?,
            None => variable(name)?,
        };
        made.push_str(&value);
        if !value.is_empty() {
            secrets.push(value);
        }
        rest = behind;
    }
    made.push_str(rest);
    Ok(made)
}

fn variable(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(format!(
            "\"${{{name}}}\" names no variable; write ${{NAME}}, ${{file:/PATH}}, or $${{ for the characters themselves"
        ));
    }
    env::var(name).map_err(|fault| match fault {
        env::VarError::NotPresent => format!("there is no environment variable {name}; set it"),
        env::VarError::NotUnicode(_) => format!("the environment variable {name} is no text in UTF-8"),
    })
}

fn first_line(path: &str) -> Result<String, String> {
    let fault = |reason: &dyn std::fmt::Display| format!("cannot read {path}: {reason}");
    let file = File::open(path).map_err(|error| fault(&error))?;
    let mut line = String::new();
    BufReader::new(file.take(MAX_LINE)).read_line(&mut line).map_err(|error| fault(&error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_files_stand_for_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\r\nmore\n").unwrap();
        let mut secrets = Vec::new();
        let package = env!("CARGO_PKG_NAME");
        for (text, expected) in [
            ("plain $ text }", "plain $ text }".to_owned()),
            ("$${CARGO_PKG_NAME}", "${CARGO_PKG_NAME}".to_owned()),
            ("a ${CARGO_PKG_NAME}b", format!("a {package}b")),
            (&format!("Bearer ${{file:{}}}", path.display()), "Bearer hunter2".to_owned()),
        ] {
            assert_eq!(interpolate(text, &mut secrets), Ok(expected), "{text}");
        }
        assert_eq!(secrets, [package, "hunter2"]);
    }

    #[test]
    fn what_cannot_be_put_in_is_a_fault_that_says_why() {
        for (text, expected) in [
            ("${NO_SUCH_VARIABLE_HERE}", "there is no environment variable NO_SUCH_VARIABLE_HERE; set it"),
            ("${}", "\"${}\" names no variable"),
            ("${1A}", "\"${1A}\" names no variable"),
            ("${a b}", "\"${a b}\" names no variable"),
            ("x${HOME", "has ${ without its }"),
            ("${file:/no/such/file}", "cannot read /no/such/file: "),
        ] {
            let fault = interpolate(text, &mut Vec::new()).unwrap_err();
            assert!(fault.starts_with(expected), "{text}: {fault}");
        }
    }
}
