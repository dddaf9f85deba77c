// What the page does by itself: no request leaves its own address, day and night, ⌘⏎, links.

const policy = document.createElement("meta");
policy.httpEquiv = "Content-Security-Policy";
policy.content = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:";
document.head.append(policy);

// A link that was followed is what is shown first; only what is opened after it is a step to go
// back from.
let arriving = location.search !== "";

window.atelier = {
    go(link) {
        const address = link || "/";
        const replaced = arriving;
        arriving = false;
        if (address === location.pathname + location.search) return;
        history[replaced ? "replaceState" : "pushState"](null, "", address);
    },
    copy(text) {
        if (navigator.clipboard) return navigator.clipboard.writeText(text);
        // Browsers lend the clipboard only to https and to this machine.
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
    },
    copyLink() {
        const button = document.getElementById("share");
        this.copy(location.href);
        button.textContent = "Link copied";
        setTimeout(() => { button.textContent = "Copy link"; }, 2000);
    },
    // What answers to Run has to be seen: the field that needs another look, and on a phone, where
    // it stands above the form, the output. It is drawn a moment after it is told, on a busy machine
    // some moments.
    showAnswer() {
        for (const moment of [100, 600, 1500]) {
            setTimeout(() => {
                const invalid = document.querySelector("#form .invalid");
                const output = innerWidth <= 760 ? document.getElementById("output") : null;
                (invalid ?? output)?.scrollIntoView({block: "start"});
            }, moment);
        }
    },
    // On a phone an opened row stands above the list: go there, and back to where one was.
    showDetail() {
        if (innerWidth > 760) return;
        this.listAt ??= scrollY;
        setTimeout(() => document.getElementById("detail")?.scrollIntoView({block: "start"}), 100);
    },
    hideDetail() {
        if (this.listAt != null) setTimeout(scrollTo, 100, 0, this.listAt);
        this.listAt = null;
    },
    toggleDark() {
        const dark = document.body.classList.toggle("dark");
        localStorage.setItem("atelier-theme", dark ? "dark" : "light");
    },
};

// What the page calls its own address where code is shown.
customElements.define("page-origin", class extends HTMLElement {
    connectedCallback() { this.textContent = location.origin; }
});

document.addEventListener("click", (event) => {
    const button = event.target.closest(".snippet .copy");
    if (!button) return;
    atelier.copy(button.parentElement.querySelector("code").innerText);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

// A picture or a video is as large as its place allows, and its place as wide as it is then.
for (const event of ["load", "loadedmetadata"]) {
    document.addEventListener(event, ({target}) => {
        const ratio = target.naturalWidth / target.naturalHeight || target.videoWidth / target.videoHeight;
        if (ratio) target.closest?.(".picture, #preview")?.style.setProperty("--ratio", ratio);
    }, true);
}

// What Gradio leaves without words for those who do not see it, or names otherwise than it shows.
function name(button) {
    const said = button.getAttribute("aria-label");
    const field = button.matches(".upload-container") && button.closest(".captioned")?.querySelector("strong");
    // Of a place to drop files only its own words: what lies in a closed group has no others.
    const words = field ? [...button.querySelector(".wrap")?.childNodes ?? []].filter((each) => each.nodeType === Node.TEXT_NODE) : [];
    const shown = field ? words.map((each) => each.data.trim()).filter(Boolean).join(" ") : button.innerText.trim();
    if (said.includes(shown) && (!field || said.startsWith(field.textContent))) return;
    button.setAttribute("aria-label", field ? `${field.textContent}: ${shown || said}` : `${shown}: ${said}`);
}
let naming = 0;
new MutationObserver(() => {
    naming ||= requestAnimationFrame(() => {
        naming = 0;
        document.querySelectorAll("button[aria-label]").forEach(name);
        document.querySelectorAll(".prose pre:not([tabindex])").forEach((each) => { each.tabIndex = 0; });
        document.getElementById("dark")?.setAttribute("aria-label", "◐ day or night");
        for (const picture of document.querySelectorAll(".picture img:not([alt]), .picture img[alt='']")) {
            picture.alt = "What the model made";
        }
    });
}).observe(document.body, {childList: true, subtree: true, characterData: true});

window.addEventListener("popstate", () => location.reload());

const chosen = localStorage.getItem("atelier-theme");
if (chosen) document.body.classList.toggle("dark", chosen === "dark");

if (!/Mac|iPhone|iPad/.test(navigator.platform)) {
    document.querySelector(".gradio-container").dataset.keys = "ctrl";
}

document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey)) return;
    const run = document.getElementById("run");
    if (!run || run.offsetParent === null) return;
    event.preventDefault();
    // A text box tells its value when it is left; leave it first.
    document.activeElement?.blur();
    run.click();
});
