//! What `corsair generate` can print.

use super::values;

/// Something that is printed from the same sources as the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A configuration file with every setting.
    Config,
    /// The manual page, section 1.
    Man,
    /// What makes this shell complete the command line.
    Completions(Shell),
    /// The unit of a systemd service.
    Systemd,
    /// The recipe of a container image.
    Container,
    /// Rules for logrotate.
    Logrotate,
    /// A Grafana dashboard.
    Dashboard,
    /// Alert rules for Prometheus.
    Alerts,
}

/// A shell whose command lines can be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU's.
    Bash,
    /// Elvish.
    Elvish,
    /// fish.
    Fish,
    /// PowerShell.
    PowerShell,
    /// Z shell.
    Zsh,
}

impl Artifact {
    /// The word for each that needs no other, with what it prints in a line.
    pub const WORDS: [(&'static str, &'static str, Option<Self>); 8] = [
        ("config", "a configuration file with every setting, its help and its default", Some(Self::Config)),
        ("man", "the manual page corsair(1)", Some(Self::Man)),
        ("completions", "completions of the command line, for the SHELL that follows", None),
        ("systemd", "a hardened unit of a systemd service", Some(Self::Systemd)),
        ("container", "a Containerfile: a static build in an otherwise empty image", Some(Self::Container)),
        ("logrotate", "rules for logrotate", Some(Self::Logrotate)),
        ("dashboard", "a Grafana dashboard", Some(Self::Dashboard)),
        ("alerts", "alert rules for Prometheus", Some(Self::Alerts)),
    ];

    /// What these words ask for; how many of them say it.
    ///
    /// # Errors
    /// The word that asks for nothing, with what could stand there.
    pub(super) fn read(words: &[&str]) -> Result<(Self, usize), (String, String)> {
        let known = || Self::WORDS.iter().map(|(word, ..)| *word);
        let [what, rest @ ..] = words else { return Err(("generate".into(), missing("what", known()))) };
        match Self::WORDS.iter().find(|(word, ..)| word == what) {
            Some((.., Some(artifact))) => Ok((*artifact, 1)),
            Some((word, _, None)) => {
                let known = || Shell::WORDS.iter().map(|(word, _)| *word);
                let Some(shell) = rest.first() else {
                    return Err(((*word).into(), missing("for which shell", known())));
                };
                match Shell::WORDS.iter().find(|(word, _)| word == shell) {
                    Some((_, shell)) => Ok((Self::Completions(*shell), 2)),
                    None => Err((
                        (*shell).into(),
                        unknown("is no shell that completions are made for", shell, known()),
                    )),
                }
            }
            None => Err(((*what).into(), unknown("is nothing that can be generated", what, known()))),
        }
    }
}

impl Shell {
    /// The word for each.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("bash", Self::Bash),
        ("zsh", Self::Zsh),
        ("fish", Self::Fish),
        ("elvish", Self::Elvish),
        ("powershell", Self::PowerShell),
    ];
}

fn missing<'a>(what: &str, known: impl Iterator<Item = &'a str>) -> String {
    format!("needs to know {what}: {}", listed(known))
}

fn unknown<'a>(is: &str, word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let nearest = values::nearest(&word.to_ascii_lowercase(), known.clone());
    match nearest {
        Some(nearest) => format!("{is}; did you mean {nearest}? There are {}", listed(known)),
        None => format!("{is}; there are {}", listed(known)),
    }
}

fn listed<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    known.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_what_it_says() {
        for (word, _, artifact) in Artifact::WORDS {
            let Some(artifact) = artifact else { continue };
            assert_eq!(Artifact::read(&[word, "behind"]), Ok((artifact, 1)), "{word}");
        }
        for (word, shell) in Shell::WORDS {
            assert_eq!(
                Artifact::read(&["completions", word]),
                Ok((Artifact::Completions(shell), 2)),
                "{word}"
            );
        }
    }

    #[test]
    fn a_word_that_is_none_hears_the_nearest_and_all() {
        let all = "config, man, completions, systemd, container, logrotate, dashboard, alerts";
        let shells = "bash, zsh, fish, elvish, powershell";
        for (words, key, message) in [
            (&[][..], "generate", format!("needs to know what: {all}")),
            (&["completions"], "completions", format!("needs to know for which shell: {shells}")),
            (
                &["systmd"],
                "systmd",
                format!("is nothing that can be generated; did you mean systemd? There are {all}"),
            ),
            (&["x"], "x", format!("is nothing that can be generated; there are {all}")),
            (
                &["completions", "PowerShel"],
                "PowerShel",
                format!(
                    "is no shell that completions are made for; did you mean powershell? There are {shells}"
                ),
            ),
        ] {
            assert_eq!(Artifact::read(words), Err((key.to_owned(), message)), "{words:?}");
        }
    }
}
