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
        document.getElementById("run")?.removeAttribute("aria-busy");
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

// On a slow network the answer to Run takes seconds: the button says at once that it was pressed.
document.addEventListener("click", ({target}) => {
    target.closest?.("#run")?.setAttribute("aria-busy", "true");
});

// What is written into a dropdown is looked for instead of what was chosen, not after it.
document.addEventListener("pointerdown", ({target}) => {
    if (!target.matches?.("input[role=combobox]") || target === document.activeElement) return;
    target.addEventListener("click", () => target.select(), {once: true});
});

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
        writeDraft();
        document.querySelectorAll("button[aria-label]").forEach(name);
        document.querySelectorAll(".prose pre:not([tabindex])").forEach((each) => { each.tabIndex = 0; });
        document.getElementById("dark")?.setAttribute("aria-label", "◐ day or night");
        for (const picture of document.querySelectorAll(".picture img:not([alt]), .picture img[alt='']")) {
            picture.alt = "What the model made";
        }
    });
}).observe(document.body, {childList: true, subtree: true, characterData: true});

// What was typed is still there when the page is loaded again, never what is secret.
const DRAFT = "atelier-draft";
function typed() {
    const boxes = document.querySelectorAll("#fields textarea, #fields input[type=text]:not([role]), #fields input[type=number]");
    return [...boxes].flatMap((box) => {
        const label = box.getAttribute("aria-label") ?? box.closest(".block")?.querySelector("[data-testid=block-info]")?.textContent.trim();
        return label ? [[label, box]] : [];
    });
}
function keepTyped() {
    const texts = typed().map(([label, box]) => [label, box.value]);
    sessionStorage.setItem(DRAFT, JSON.stringify({at: location.href, texts}));
}
addEventListener("pagehide", keepTyped);
let draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
sessionStorage.removeItem(DRAFT);
if (draft?.at !== location.href || performance.getEntriesByType("navigation")[0]?.type !== "reload") draft = null;
function writeDraft() {
    const boxes = draft ? typed() : [];
    if (!boxes.length) return;
    const texts = new Map(draft.texts);
    draft = null;
    requestIdleCallback(() => {
        for (const [label, box] of boxes) {
            if (!texts.has(label) || texts.get(label) === box.value) continue;
            box.value = texts.get(label);
            for (const each of ["input", "change", "blur"]) box.dispatchEvent(new Event(each, {bubbles: true}));
        }
    });
}

// Whether the app is there; one that was started again does not know what it had drawn here before.
const LOOK = 4000;
const ask = window.fetch;
async function look() {
    if (document.hidden) return;
    const answer = await ask("gradio_api/app_id").catch(() => null);
    tellLost(!answer?.ok);
    if (answer?.ok && (await answer.json()).app_id !== gradio_config.app_id) location.reload();
}
function tellLost(lost) {
    const line = document.getElementById("lost");
    if (!lost) line?.remove();
    if (!lost || line) return;
    const told = document.createElement("p");
    told.id = "lost";
    told.role = "alert";
    told.textContent = "Atelier does not answer. This page tries again by itself, and keeps what you typed.";
    document.querySelector(".gradio-container .contain").append(told);
}
setInterval(look, LOOK);
document.addEventListener("visibilitychange", look);
window.fetch = async (...asked) => {
    const answer = await ask(...asked).catch((error) => {
        document.getElementById("run")?.removeAttribute("aria-busy");
        throw error;
    });
    if (answer.status >= 500 && answer.url.includes("/queue/join")) await look();
    return answer;
};

// The form that is left is not that of the address.
window.addEventListener("popstate", () => { removeEventListener("pagehide", keepTyped); location.reload(); });

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
