// What the page does by itself: no request leaves its own address, day and night, ⌘⏎.

const policy = document.createElement("meta");
policy.httpEquiv = "Content-Security-Policy";
policy.content = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:";
document.head.append(policy);

window.atelier = {
    toggleDark() {
        const dark = document.body.classList.toggle("dark");
        localStorage.setItem("atelier-theme", dark ? "dark" : "light");
    },
};

const chosen = localStorage.getItem("atelier-theme");
if (chosen) document.body.classList.toggle("dark", chosen === "dark");

if (!/Mac|iPhone|iPad/.test(navigator.platform)) {
    document.querySelector(".gradio-container").dataset.keys = "ctrl";
}

// On a phone the output stands above the form: go there when something runs.
document.addEventListener("click", (event) => {
    if (event.target.closest("#run") && innerWidth <= 760) {
        setTimeout(() => document.getElementById("output").scrollIntoView({block: "start"}), 300);
    }
});

document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey)) return;
    const run = document.getElementById("run");
    if (!run || run.offsetParent === null) return;
    event.preventDefault();
    // A text box tells its value when it is left; leave it first.
    document.activeElement?.blur();
    run.click();
});
