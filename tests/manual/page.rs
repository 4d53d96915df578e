//! A page of markdown, taken apart.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

/// What is asked of a page.
#[derive(Default)]
pub(super) struct Page {
    /// Its path below the root of the repository.
    pub(super) path: PathBuf,
    pub(super) source: String,
    /// The anchors of its headings, as the hosts of repositories make them.
    pub(super) anchors: BTreeSet<String>,
    pub(super) links: Vec<String>,
    /// Fenced blocks: what stands behind the fence, and the text.
    pub(super) blocks: Vec<(String, String)>,
    /// Code in a line.
    pub(super) codes: Vec<String>,
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        Self::of(path, &fs::read_to_string(root().join(path)).unwrap())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not asked for is passed over")]
    pub(super) fn of(path: &Path, source: &str) -> Self {
        let mut page = Self { path: path.to_owned(), source: source.to_owned(), ..Self::default() };
        let (mut heading, mut block): (Option<String>, Option<(String, String)>) = (None, None);
        for event in Parser::new_ext(source, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.add_anchor(&heading.take().unwrap_or_default()),
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info =
                        if let CodeBlockKind::Fenced(info) = kind { info } else { CowStr::Borrowed("") };
                    block = Some((info.to_string(), String::new()));
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.to_string());
                }
                Event::Text(text) => {
                    let open = heading.as_mut().or(block.as_mut().map(|(_, code)| code));
                    open.into_iter().for_each(|open| open.push_str(&text));
                }
                Event::Code(code) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&code));
                    page.codes.push(code.to_string());
                }
                _ => {}
            }
        }
        page
    }

    fn add_anchor(&mut self, heading: &str) {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor = heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        let again = (1..).map(|count| format!("{anchor}-{count}"));
        let free = std::iter::once(anchor.clone()).chain(again).find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }
}

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the manual.
pub(super) fn manual() -> Vec<Page> {
    let mut pages = Vec::new();
    for folder in ["docs", "docs/reference"] {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().file_name());
        let paths = files.map(|name| Path::new(folder).join(name));
        pages.extend(
            paths
                .filter(|path| path.extension().is_some_and(|end| end == "md"))
                .map(|path| Page::read(&path)),
        );
    }
    assert!(pages.len() > 12, "only {} pages", pages.len());
    pages
}

#[test]
fn a_page_is_taken_apart() {
    let source =
        "# A `b`, c!\n\n## Same\n\n## Same\n\n[x](y.md#z) `--flag`\n\n```toml fragment\na = 1\n```\n";
    let page = Page::of(Path::new("docs/page.md"), source);
    assert_eq!(page.anchors, ["a-b-c", "same", "same-1"].map(str::to_owned).into());
    assert_eq!((page.links, page.codes.last().unwrap().as_str()), (vec!["y.md#z".to_owned()], "--flag"));
    assert_eq!(page.blocks, [("toml fragment".to_owned(), "a = 1\n".to_owned())]);
}
