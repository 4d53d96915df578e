// Tells in the console of a page why corsair has refused a request of it, and which setting would change that. Nothing that
// a page asks for is changed by it. A classic script or a module; the first thing that a page loads.
(() => {
    'use strict';
    // A module has no currentScript, and a classic script no import.meta; an error knows where it was made in both.
    const own = globalThis.document?.currentScript?.src || String(new Error().stack).match(/https?:\/\/[^\s()]+why\.js(\?[^\s():]*)?/)?.[0];
    if (!own || globalThis.__corsairWhy) return;
    const { origin: base, searchParams: given } = new URL(own);
    // Who serves this to others asks for one.
    const token = given.get('corsair-token');
    Object.defineProperty(globalThis, '__corsairWhy', { value: base });
    const fetch = globalThis.fetch.bind(globalThis);

    // The URL of a request that goes to corsair; nothing where it goes elsewhere.
    const known = (url) => {
        try {
            const absolute = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
            absolute.protocol = absolute.protocol.replace('ws', 'http');
            return absolute.origin === base && !absolute.pathname.startsWith('/__corsair/') ? absolute : undefined;
        } catch {
            return undefined;
        }
    };

    const standard = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
    const spelled = (method) => {
        const upper = String(method).toUpperCase();
        return standard.includes(upper) ? upper : String(method);
    };

    const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

    // What corsair knows of the request; it may write that down a moment after it has answered.
    const ask = async (asked) => {
        const query = new URLSearchParams({
            method: asked.method,
            url: asked.url.pathname + asked.url.search,
            credentials: asked.credentials,
            ...(token && { 'corsair-token': token }),
        });
        const init = { method: 'POST', credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer' };
        for (let attempt = 1; ; attempt++) {
            const told = await (await fetch(`${base}/__corsair/why?${query}`, init)).json();
            if (told.found || attempt === 4) return told;
            await pause(100 * attempt);
        }
    };

    // Texts come from requests: they are shown as they are, and never taken for a format.
    const say = (asked, text) => console.warn('%s', `corsair: ${asked.method} ${asked.url.href}: ${text}`);

    const explain = async (asked, isReadable) => {
        let told;
        try {
            told = await ask(asked);
        } catch {
            if (!isReadable) say(asked, `${base} does not answer, wants why.js?corsair-token=TOKEN, or the policy of the page keeps it from asking`);
            return;
        }
        if (told.remedy) {
            say(asked, `${told.reason}; ${told.remedy}${told.place ? ` (${told.place})` : ''}`);
        } else if (told.reason) {
            if (!isReadable) say(asked, `${told.reason}; no setting of corsair decides that`);
        } else if (!isReadable) {
            say(asked, told.found ? 'corsair has refused nothing' : 'corsair knows nothing of it');
        }
    };

    const readable = (asked, status) => {
        if (status?.startsWith('corsair')) explain(asked, true);
    };

    globalThis.fetch = function (input, init) {
        const answer = fetch(...arguments);
        const isRequest = typeof Request !== 'undefined' && input instanceof Request;
        const url = known(isRequest ? input.url : input);
        if (!url) return answer;
        const of = (name, otherwise) => init?.[name] ?? (isRequest ? input[name] : otherwise);
        const asked = { method: spelled(of('method', 'GET')), url, credentials: of('credentials', 'same-origin') };
        answer.then(
            (response) => readable(asked, response.headers.get('proxy-status')),
            (error) => { if (error?.name !== 'AbortError') explain(asked); },
        );
        return answer;
    };

    if (globalThis.XMLHttpRequest) {
        const { open, send } = XMLHttpRequest.prototype;
        const opened = new WeakMap();
        XMLHttpRequest.prototype.open = function (method, url) {
            opened.set(this, { method: spelled(method), url: known(url) });
            return open.apply(this, arguments);
        };
        XMLHttpRequest.prototype.send = function () {
            const { method, url } = opened.get(this) ?? {};
            if (url) {
                const asked = { method, url, credentials: this.withCredentials ? 'include' : 'same-origin' };
                this.addEventListener('error', () => explain(asked), { once: true });
                this.addEventListener('load', () => readable(asked, this.getResponseHeader('proxy-status')), { once: true });
            }
            return send.apply(this, arguments);
        };
    }

    // One whose constructor opens it, and which tells in an event that it failed.
    const watched = (name, credentials, hasFailed) => {
        const Original = globalThis[name];
        if (!Original) return;
        globalThis[name] = class extends Original {
            constructor(...given) {
                super(...given);
                const url = known(given[0]);
                if (!url) return;
                const asked = { method: 'GET', url, credentials: credentials(given[1]) };
                let isOpen = false;
                this.addEventListener('open', () => { isOpen = true; });
                this.addEventListener('error', () => { if (!isOpen && hasFailed(this)) explain(asked); });
            }
        };
        Object.defineProperty(globalThis[name], 'name', { value: name });
    };
    watched('WebSocket', () => 'same-origin', () => true);
    watched('EventSource', (init) => (init?.withCredentials ? 'include' : 'same-origin'), (source) => source.readyState === 2);
})();
