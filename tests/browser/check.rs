//! A check: what a page does through a proxy, and what has to come of it.

use serde_json::Value;

use super::{application::Site, chromium::Tab, proxies::Proxy};

/// One thing that a page does.
pub(crate) struct Check {
    /// What works, as the manual says it.
    pub(crate) name: &'static str,
    /// Who does it.
    pub(crate) page: Page,
    /// The body of an asynchronous function of the page; [`PRELUDE`] says what it may use.
    pub(crate) script: &'static str,
    /// What that returns, as JSON.
    pub(crate) expected: &'static str,
    /// What becomes of it where nginx stands in the place of corsair.
    pub(crate) nginx: Nginx,
}

/// What nginx with the snippet makes of a check.
pub(crate) enum Nginx {
    /// It passes.
    Passes,
    /// It fails, for this reason.
    Fails(&'static str),
    /// There is nothing there to compare it with.
    HasNothingLike,
}

/// A page by its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// On another site than the proxy, and listed wherever origins are.
    App,
    /// On the site of the proxy, at another port, and listed.
    Neighbour,
    /// Of an origin that is listed nowhere.
    Stranger,
    /// As [`Page::App`], and it wants to be isolated from other origins.
    Isolated,
    /// Of an extension.
    Extension,
    /// Of the proxy's own origin.
    Own,
}

/// What each script may use: `api` and `pages`, the origins of the proxy and of the pages; `application`, which is behind the
/// proxy; `id`, a name that nobody else has; and some functions.
const PRELUDE: &str = r#"
    const id = Math.random().toString(36).slice(2);
    // Status and text of an answer, or what is said where there is none to read.
    const read = async (url, init) => {
        try {
            const response = await fetch(url, init);
            return [response.status, await response.text()];
        } catch (error) {
            return String(error.name);
        }
    };
    const status = async (url, init) => {
        const told = await read(url, init);
        return Array.isArray(told) ? told[0] : told;
    };
    // As the application got it.
    const echoed = async (url, init) => (await fetch(url, init)).json();
    // The server of the pages knows what has happened at the application, for pages of any origin.
    const tell = (event) => fetch(`${pages}/tell/${event}`, { mode: 'no-cors' });
    const when = (event) => fetch(`${pages}/when/${event}`, { mode: 'no-cors' });
    const once = (target, ...events) =>
        new Promise((done) => events.forEach((name) => target.addEventListener(name, () => done(name))));
    const element = (name, attributes) => {
        const made = Object.assign(document.createElement(name), attributes);
        const ended = once(made, 'load', 'error');
        document.body.append(made);
        return ended;
    };
"#;

impl Page {
    fn url(self, site: &Site, proxy: &Proxy, tab: &Tab) -> String {
        match self {
            Self::App => site.origin(APP),
            Self::Neighbour => site.origin(NEIGHBOUR),
            Self::Stranger => site.origin("stranger.test"),
            Self::Isolated => site.origin(APP) + "/?isolated",
            Self::Extension => tab.extension() + "/page.html",
            Self::Own => proxy.url() + "/any/page",
        }
    }
}

/// The host of the application's pages. A browser takes its pages for safe, as if they came over TLS.
pub(crate) const APP: &str = "localhost";
/// The host of pages on the site of the proxy.
pub(crate) const NEIGHBOUR: &str = "127.0.0.1";

/// What comes of each check that `asks`, in turn: nothing where it is as expected, and else what happened instead.
pub(crate) fn outcomes<'a>(
    tab: &Tab,
    site: &Site,
    proxy: &Proxy,
    checks: impl IntoIterator<Item = &'a Check>,
) -> Vec<(&'a Check, Option<Value>)> {
    let outcome = |check: &'a Check| {
        tab.go(&check.page.url(site, proxy, tab));
        let application = site.application.address();
        let known = format!(
            "const api = '{}', pages = '{}', application = '{application}';",
            proxy.url(),
            site.origin(APP)
        );
        let outcome = tab.run(&format!("{known}{PRELUDE} {{ {} }}", check.script));
        let expected: Value = serde_json::from_str(check.expected).expect(check.name);
        (check, Some(outcome).filter(|outcome| *outcome != expected))
    };
    checks.into_iter().map(outcome).collect()
}

/// Passes all of them through corsair, and tells every one that fails.
pub(crate) fn all_pass(checks: &[Check]) {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let proxy = Proxy::corsair(&site, &tab);
    let failed: Vec<String> = outcomes(&tab, &site, &proxy, checks)
        .into_iter()
        .filter_map(|(check, outcome)| outcome.map(|outcome| format!("{}: {outcome}", check.name)))
        .collect();
    assert!(failed.is_empty(), "{}\n{}", failed.join("\n"), proxy.log());
}
