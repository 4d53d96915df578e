//! No link is dead.

use std::path::{Component, Path, PathBuf};

use super::page::{Page, manual, root};

/// The links of a page that lead nowhere.
fn dead_links(page: &Page) -> Vec<String> {
    page.links.iter().filter(|link| is_dead(page, link)).cloned().collect()
}

fn is_dead(page: &Page, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return false;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let folder = page.path.parent().unwrap_or(Path::new(""));
    let Some(path) = resolved(&folder.join(file)) else { return true };
    let has = |page: &Page| anchor.is_none_or(|anchor| page.anchors.contains(anchor));
    match file {
        "" => !has(page),
        _ if !root().join(&path).exists() => true,
        _ => anchor.is_some() && !has(&Page::read(&path)),
    }
}

/// The path without `..`; nothing where it leads out of the repository.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !resolved.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir => return None,
            Component::Normal(name) => resolved.push(name),
        }
    }
    Some(resolved)
}

#[test]
fn no_link_is_dead() {
    let others = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    for page in manual().into_iter().chain(others.map(|path| Page::read(Path::new(path)))) {
        assert_eq!(dead_links(&page), [""; 0], "in {}", page.path.display());
    }
}

#[test]
fn every_page_is_in_the_contents() {
    let contents = Page::read(Path::new("docs/README.md"));
    for page in manual().iter().filter(|page| page.path != contents.path) {
        let link = page.path.strip_prefix("docs").unwrap().to_str().unwrap();
        assert!(contents.links.iter().any(|known| known == link), "{link} is in no table of contents");
    }
}

#[test]
fn a_dead_link_is_found() {
    let source = "# Here\n[a](errors.md) [b](errors.md#the-request) [c](#here) [d](../README.md) [e](https://a.example/)\n\
        [f](missing.md) [g](errors.md#missing) [h](#missing) [i](../../outside.md) [j](reference/missing.md#x)\n";
    let dead = dead_links(&Page::of(Path::new("docs/page.md"), source));
    assert_eq!(
        dead,
        ["missing.md", "errors.md#missing", "#missing", "../../outside.md", "reference/missing.md#x"]
    );
}
