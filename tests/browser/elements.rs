//! What elements of a page load with CORS: pictures, fonts, scripts, styles.

use super::check::{self, Check, Nginx::*, Page::*};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a picture with `crossorigin` is drawn and read from a canvas",
        page: App,
        script: "const picture = new Image(); \
                 picture.crossOrigin = 'anonymous'; \
                 const ended = once(picture, 'load', 'error'); \
                 picture.src = `${api}/any/picture`; \
                 if (await ended === 'error') return 'error'; \
                 const canvas = document.createElement('canvas').getContext('2d'); \
                 canvas.drawImage(picture, 0, 0); \
                 return canvas.getImageData(0, 0, 1, 1).data.length;",
        expected: "4",
        nginx: Passes,
    },
    Check {
        name: "a picture with credentials is shown",
        page: Neighbour,
        script: "return await element('img', { crossOrigin: 'use-credentials', src: `${api}/listed/picture` });",
        expected: r#""load""#,
        nginx: Fails("\"*\" grants no credentials"),
    },
    Check {
        name: "a picture with `crossorigin` is not shown to a page of another origin",
        page: Stranger,
        script: "return await element('img', { crossOrigin: 'anonymous', src: `${api}/listed/picture` });",
        expected: r#""error""#,
        nginx: Fails("\"*\" lets every page read"),
    },
    Check {
        name: "a font is loaded",
        page: App,
        script: "return (await new FontFace('dot', `url(${api}/any/font)`).load()).status;",
        expected: r#""loaded""#,
        nginx: Passes,
    },
    Check {
        name: "a module is loaded",
        page: App,
        script: "const ended = await element('script', { type: 'module', src: `${api}/any/module` }); \
                 return [ended, globalThis.loaded];",
        expected: r#"["load", 1]"#,
        nginx: Passes,
    },
    Check {
        name: "a style sheet with `crossorigin` is loaded and its rules are read",
        page: App,
        script: "const sheet = { rel: 'stylesheet', crossOrigin: 'anonymous', href: `${api}/any/style` }; \
                 const ended = await element('link', sheet); \
                 return [ended, document.styleSheets[0].cssRules.length];",
        expected: r#"["load", 1]"#,
        nginx: Passes,
    },
];

#[test]
fn elements_load_what_their_policy_grants() {
    check::all_pass(CHECKS);
}
