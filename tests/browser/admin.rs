//! The admin page.

use serde_json::json;

use super::chromium::Tab;
use crate::support::{Corsair, Origin, answer, eventually};

#[test]
fn the_admin_page_shows_who_is_refused_runs_nothing_of_theirs_and_reloads() {
    let Some(tab) = Tab::open() else { return };
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[cors]\nallow_origins = [\"https://app.example.com\"]\n\
         [upstream.web]\nservers = [\"http://{}\"]\n[[route]]\nupstream = \"web\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        origin.address()
    );
    std::fs::write(&file, text).unwrap();
    let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "--access-log", "off"]);
    let started = corsair.wait_for_log("started");
    let admin = started.split_once("admin=\"").unwrap().1.split('"').next().unwrap();

    corsair.get("/orders", "Origin: https://evil.example\r\n");
    let hostile = "\"><img/src=x/onerror=window.ran=1><script>window.ran=1</script>";
    corsair.get(&format!("/{hostile}"), &format!("Origin: https://{hostile}\r\n"));
    tab.go(&format!("{admin}/"));
    let shown = || tab.run("return document.body.innerText;").as_str().unwrap().to_owned();
    let server = format!("http://{}", origin.address());
    for wanted in [
        "https://evil.example",
        "add \"https://evil.example\" to cors.allow_origins",
        "corsair.toml:4:18",
        server.as_str(),
    ] {
        eventually(&format!("the page shows {wanted}"), || shown().contains(wanted));
    }
    let foreign = "return [window.ran === undefined, document.images.length, document.scripts.length];";
    assert_eq!(tab.run(foreign), json!([true, 0, 2]), "what clients send is text and nothing else");

    tab.run("document.getElementById('reload').click();");
    eventually("the new generation is shown", || shown().contains("generation 2"));
    for width in [1360, 500] {
        tab.resize(width, 800);
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth;";
        assert_eq!(tab.run(fits), json!(true), "{width}");
    }
}
