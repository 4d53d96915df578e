//! The page that shows the state: one file, put together of its parts when somebody asks for it; nothing is loaded from
//! anywhere else.

/// The frame, with a place for each part.
const HTML: &str = include_str!("page/page.html");
/// The parts by their places.
const PARTS: [(&str, &str, &str, &str); 4] = [
    ("<!-- uplot-style -->", "<style>", include_str!("page/uPlot.min.css"), "</style>"),
    ("<!-- style -->", "<style>", include_str!("page/page.css"), "</style>"),
    ("<!-- uplot-script -->", "<script>", include_str!("page/uPlot.iife.min.js"), "</script>"),
    ("<!-- script -->", "<script>", include_str!("page/page.js"), "</script>"),
];

/// What the page may do: run what stands in it, and ask this listener.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) fn html() -> String {
    PARTS.iter().fold(HTML.to_owned(), |page, (place, begin, part, end)| {
        page.replacen(place, &format!("{begin}{part}{end}"), 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_loads_nothing() {
        let page = html();
        for (place, ..) in PARTS {
            assert!(HTML.contains(place), "{place}");
        }
        assert!(page.len() < 160_000, "{}", page.len());
        for loading in ["src=\"http", "href=\"http", "@import", "url(http", "innerHTML ="] {
            assert!(!page.contains(loading), "{loading}");
        }
        for (_, _, part, _) in PARTS {
            assert!(!part.contains("</script"), "a part would end its own place");
        }
    }
}
