/* Says once a minute what came since: "3 new, 1 refused: show". It never loads a page again: what is typed stays.

   All windows of a viewer share one answer, so that there is one request a minute for each viewer. */

document.addEventListener("DOMContentLoaded", () => {
    const home = document.getElementById("desk-news");
    if (!home) return;
    const MINUTE = 60_000;
    const key = `bookjob-news-${home.dataset.viewer}`;
    const title = document.title;
    const line = document.createElement("p");
    line.className = "desk-news";
    line.setAttribute("role", "status");
    document.getElementById("content")?.before(line);

    // A browser that keeps nothing: each page knows what it heard itself.
    let heard = {};

    function read() {
        try {
            return JSON.parse(localStorage.getItem(key)) ?? {};
        } catch {
            return heard;
        }
    }

    function write(state) {
        heard = state;
        try {
            localStorage.setItem(key, JSON.stringify(state));
        } catch {
            // It is heard all the same.
        }
    }

    function show() {
        const { new: fresh = 0, refused = 0 } = read();
        const told = [fresh && `${fresh} new`, refused && `${refused} refused`].filter(Boolean).join(", ");
        if (line.dataset.told === told) return;
        line.dataset.told = told;
        line.replaceChildren();
        if (told) {
            const link = Object.assign(document.createElement("a"), { href: home.dataset.show, textContent: `${told}: show` });
            link.className = "desk-link";
            line.append(link);
        }
        document.title = told ? `(${fresh + refused}) ${title}` : title;
    }

    async function ask() {
        const state = read();
        if (Date.now() - (state.at ?? 0) < MINUTE) return;
        // Before the answer is there: another window must not ask as well.
        write({ ...state, at: Date.now() });
        const headers = { "X-Bookjob-Poll": "1" };
        if (state.etag) headers["If-None-Match"] = state.etag;
        try {
            const asked = new URLSearchParams({ since: state.since ?? "" });
            const answer = await fetch(`${home.dataset.address}?${asked}`, { headers, redirect: "manual", cache: "no-store" });
            if (!answer.ok) return;
            write({ ...read(), ...(await answer.json()), etag: answer.headers.get("ETag") });
        } catch {
            // No network: the next minute asks again.
        }
    }

    // The board and the list show all that is here: from now on counts what comes after them.
    const shown = read();
    if (home.dataset.isFresh && (!shown.since || shown.new || shown.refused)) write({});
    const look = () => ask().then(show);
    show();
    look();
    setInterval(look, 5_000);
    window.addEventListener("storage", (event) => event.key === key && show());
});
