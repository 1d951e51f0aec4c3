/* The planner by arrow keys and by drag. Both only follow links: what is checked and done is on the page behind them. */

const windows = () => [...document.querySelectorAll(".planner-window")];
const drop = document.getElementById("planner-drop");
const said = document.getElementById("planner-said");

/* --- Arrow keys: from window to window; Enter follows the link as always --- */

function nearest(from, key) {
    const here = from.getBoundingClientRect();
    const isAcross = key === "ArrowLeft" || key === "ArrowRight";
    const ways = { ArrowLeft: (box) => here.left - box.left, ArrowRight: (box) => box.left - here.left,
                   ArrowUp: (box) => here.top - box.top, ArrowDown: (box) => box.top - here.top };
    let best = null;
    for (const other of windows()) {
        const box = other.getBoundingClientRect();
        const along = ways[key](box);
        const aside = isAcross ? Math.abs(box.top - here.top) : Math.abs(box.left - here.left);
        if (other === from || along <= 1) continue;
        const far = along + 8 * aside;
        if (best === null || far < best.far) best = { other, far };
    }
    return best?.other;
}

document.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const from = document.activeElement?.closest(".planner-window");
    if (!from) return;
    const to = nearest(from, event.key);
    if (!to) return;
    event.preventDefault();
    to.querySelector(".planner-go").focus();
});

/* --- Drag: a booking onto a window opens the page that moves it --- */

let dragged = null;

function whyNot(target) {
    if (target.contains(dragged)) return "is here now";
    const type = target.dataset.type;
    if (type && type !== dragged.dataset.type) return `for ${type} only`;
    return target.dataset.why;
}

/* While a booking is dragged its marks stand in the place of those that the page came with. */
const before = new Map();

function mark() {
    for (const target of windows()) {
        before.set(target, { className: target.className, title: target.title });
        const why = whyNot(target);
        target.classList.remove("planner-no", "planner-yes");
        target.classList.add(why ? "planner-no" : "planner-yes");
        target.title = why;
    }
}

function unmark() {
    dragged = null;
    for (const [target, { className, title }] of before) {
        target.className = className;
        if (title) target.title = title;
        else target.removeAttribute("title");
    }
    before.clear();
}

if (drop) {
    for (const visit of document.querySelectorAll("[data-visit]")) {
        visit.draggable = true;
        visit.addEventListener("dragstart", (event) => {
            dragged = visit;
            event.dataTransfer.setData("text/plain", visit.dataset.visit);
            event.dataTransfer.effectAllowed = "move";
            mark();
        });
        visit.addEventListener("dragend", unmark);
    }
    for (const target of windows()) {
        target.addEventListener("dragover", (event) => {
            if (!dragged) return;
            const why = whyNot(target);
            said.textContent = why;
            if (why) return;
            event.preventDefault();
            target.classList.add("planner-over");
        });
        target.addEventListener("dragleave", () => target.classList.remove("planner-over"));
        target.addEventListener("drop", (event) => {
            event.preventDefault();
            const asked = new URLSearchParams({ chosen: dragged.dataset.visit, back: drop.dataset.back, slot: target.dataset.slot });
            location.assign(`${drop.dataset.address}?${asked}`);
        });
    }
}
