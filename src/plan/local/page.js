'use strict';
// A browser takes localhost and 127.0.0.1 for two origins, and both lead here.
const other = new URL(location.href);
other.hostname = other.hostname === 'localhost' ? '127.0.0.1' : 'localhost';
const token = new URLSearchParams(location.search).get('corsair-token');
const field = document.getElementById('url');
field.value = new URLSearchParams(location.search).get('url') ?? `${other.origin}/`;
document.getElementById('origin').textContent = location.origin;
document.getElementById('script').textContent = `${location.origin}/__corsair/why.js`;

const safelisted =
    ['cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma'];

const checks = [
    ['a GET is read', async (url) => `status ${(await fetch(url)).status}`],
    ['a request with a header of its own is read, behind its preflight', async (url) =>
        `status ${(await fetch(url, { headers: { 'X-Corsair-Try': '1' } })).status}`],
    ['an answer is read with credentials', async (url) => `status ${(await fetch(url, { credentials: 'include' })).status}`,
        'include'],
    ['headers of an answer are read', async (url) => {
        const names = [...(await fetch(url)).headers.keys()].filter((name) => !safelisted.includes(name));
        if (names.length === 0) throw new Error('none but those that every page may read');
        return names.join(', ');
    }],
    ['an error of corsair is read', async (url) => {
        const long = new URL(url);
        long.searchParams.set('long', 'a'.repeat(200000));
        const response = await fetch(long);
        return `status ${response.status}: ${(await response.text()).slice(0, 100)}`;
    }],
    ['an answer is read piece by piece', async (url) => {
        const response = await fetch(url);
        const since = performance.now();
        const reader = response.body?.getReader();
        let pieces = 0, bytes = 0;
        for (let read; reader && !(read = await reader.read()).done && pieces < 1000; pieces++) bytes += read.value.length;
        return `${pieces} pieces, ${bytes} bytes, ${Math.round(performance.now() - since)} ms`;
    }],
];

const why = async (url, credentials) => {
    const { origin, pathname, search } = new URL(url);
    const query = new URLSearchParams({ method: 'GET', url: pathname + search, credentials, ...(token && { 'corsair-token': token }) });
    const told = await (await fetch(`${origin}/__corsair/why?${query}`, { method: 'POST', credentials: 'omit' })).json();
    const place = told.place ? ` (${told.place})` : '';
    return told.reason ? `${told.reason}; ${told.remedy ?? 'no setting decides that'}${place}` : undefined;
};

const tell = (name, isGreen, text) => {
    const item = document.createElement('li');
    item.className = isGreen ? 'yes' : 'no';
    const more = document.createElement('small');
    more.textContent = text;
    item.append(name, more);
    document.getElementById('checks').append(item);
};

const run = async () => {
    document.getElementById('checks').replaceChildren();
    delete document.body.dataset.done;
    for (const [name, check, credentials = 'same-origin'] of checks) {
        try {
            tell(name, true, await check(field.value));
        } catch (error) {
            const reason = await why(field.value, credentials).catch(() => undefined);
            tell(name, false, reason ?? error.message);
        }
    }
    document.body.dataset.done = 'yes';
};

document.querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault();
    run();
});
run();
