/* Keys of the desk: what carries data-key is pressed by that key. Without this file everything is there as link and button. */

{
    const isTyped = (box) => box.matches("input, select, textarea, [contenteditable]");
    const keyed = (key) => document.querySelector(`[data-key="${CSS.escape(key)}"]`);

    function help() {
        const box = document.createElement("dialog");
        box.className = "desk desk-card desk-help";
        box.append(Object.assign(document.createElement("h2"), { textContent: "Keys" }));
        for (const target of document.querySelectorAll("[data-key]")) {
            const line = document.createElement("p");
            const key = Object.assign(document.createElement("kbd"), { textContent: target.dataset.key });
            line.append(key, ` ${target.dataset.keyText || target.lastChild.textContent.trim()}`);
            box.append(line);
        }
        const { help: href } = document.getElementById("desk-keys").dataset;
        const link = { href, className: "desk-link", textContent: "All documents, with a search" };
        box.append(Object.assign(document.createElement("a"), link));
        box.append(Object.assign(document.createElement("p"), { textContent: "Esc closes this." }));
        box.addEventListener("close", () => box.remove());
        document.body.append(box);
        box.showModal();
    }

    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        // A letter is a key of the desk or none: newer releases of Unfold have keys of their own, at the window.
        if (event.key?.length === 1) event.stopPropagation();
        if (event.repeat || isTyped(event.target)) return;
        if (document.querySelector("dialog[open]")) return;
        const target = keyed(event.key);
        if (event.key === "?") help();
        else if (target && isTyped(target)) target.focus();
        else if (target) target.click();
        else return;
        event.preventDefault();
    });

    // The menu stands beside the page on a wide screen, unless it was closed there, and comes over it on a narrow one.
    const page = document.documentElement;
    const isWide = matchMedia("(min-width: 1280px)");
    const isOpen = () => (isWide.matches ? page.dataset.menu !== "closed" : page.dataset.menu === "open");
    const opener = () => document.querySelector(".desk-menu-button[aria-controls]");
    const tell = () => opener()?.setAttribute("aria-expanded", isOpen());

    // A browser that keeps nothing refuses even to be asked: then the menu is as usual on the next page.
    function kept(act) {
        try {
            return act(localStorage);
        } catch {
            return null;
        }
    }

    function setMenu(open) {
        page.dataset.menu = open ? "open" : "closed";
        if (isWide.matches) kept((storage) => storage.setItem("desk-menu", page.dataset.menu));
        tell();
    }

    if (kept((storage) => storage.getItem("desk-menu")) === "closed") page.dataset.menu = "closed";
    document.addEventListener("DOMContentLoaded", tell);
    isWide.addEventListener("change", tell);
    document.addEventListener("click", ({ target }) => {
        if (target.closest(".desk-menu-button")) setMenu(!isOpen());
    });
    document.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || isWide.matches || !isOpen() || document.querySelector("dialog[open]")) return;
        setMenu(false);
        opener()?.focus();
    });

    // Paper is white: what is dark on the screen is printed as it is in the light.
    let isDark = false;
    addEventListener("beforeprint", () => {
        isDark = page.classList.contains("dark");
        page.classList.remove("dark");
    });
    addEventListener("afterprint", () => page.classList.toggle("dark", isDark));

    // Unfold's own script writes the name into a field of its widget, and fails at a file input without one.
    document.addEventListener("DOMContentLoaded", () => {
        for (const input of document.querySelectorAll(".desk input[type=file]")) input.hasChangeListener = true;
    });
}
