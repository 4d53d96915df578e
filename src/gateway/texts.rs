//! What the gateway says to those who call it wrongly, and to who asks whether it lives.

/// The answer to `/healthcheck`.
pub const HEALTHY: &str = "OK";
/// The answer when no target was given, in one line.
pub const MISSING: &str = r#"Required "url" query parameter not found."#;
/// The answer to a target that is none; the reason follows it.
pub const INVALID: &str = r#"Invalid "url" query parameter provided."#;
/// The answer to a path that is none of the gateway's forms.
pub const NOT_FOUND: &str = "Route not found.";
/// How the gateway is called, for those who read plain text.
pub const USAGE: &str = "\
This is a CORS gateway. Put the address of the resource behind it:
  /?url=https%3A%2F%2Fapi.example.org%2Fitems%3Fpage%3D1   percent-encoded
  /?url=https://api.example.org/items?page=1               as it is; nothing may follow it
  /https://api.example.org/items?page=1                    as a path
";
/// [`MISSING`] and [`USAGE`] as a page: no script, nothing loaded from elsewhere.
pub const MISSING_HTML: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>CORS gateway</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 12vh auto; padding: 0 1rem }
code, input { font: .9rem ui-monospace, monospace }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8884; border-radius: .4rem }
form { display: flex; gap: .5rem }
input { flex: 1; padding: .4rem .6rem }
</style>
<h1>CORS gateway</h1>
<p>Required "url" query parameter not found. Put the address of the resource behind this one,
as a query parameter:</p>
<pre><code>fetch("/?url=" + encodeURIComponent("https://api.example.org/items?page=1"))</code></pre>
<p>or as a path, as it stands:</p>
<pre><code>fetch("/https://api.example.org/items?page=1")</code></pre>
<form action="/" method="get">
<input name="url" type="url" required placeholder="https://api.example.org/" aria-label="Address">
<button>Fetch</button>
</form>
</html>
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_page_says_what_the_text_says() {
        assert!(MISSING_HTML.contains(MISSING));
        assert_eq!(MISSING, Error::TargetMissing.to_string());
        assert_eq!(NOT_FOUND, Error::RouteNotFound.to_string());
    }
}
