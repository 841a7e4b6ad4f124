"use strict";
// The picker's search box. Without scripts the box is not shown, and the list is.
document.addEventListener("DOMContentLoaded", () => {
    const picker = document.querySelector("[data-apiconnector-presets]");
    if (!picker) {
        return;
    }
    const box = picker.querySelector("input[type=search]");
    const said = picker.querySelector("[role=status]");
    const cards = [...picker.querySelectorAll("li")];
    picker.querySelector("[data-apiconnector-search]").hidden = false;
    const filter = () => {
        const words = box.value.toLowerCase().split(/\s+/);
        for (const card of cards) {
            const text = card.textContent.toLowerCase();
            card.hidden = !words.every((word) => text.includes(word));
        }
        const found = cards.filter((card) => !card.hidden).length;
        said.textContent = box.value.trim() ? `${found} of ${cards.length}` : "";
    };
    box.addEventListener("input", filter);
    box.addEventListener("keydown", (event) => {
        const found = cards.filter((card) => !card.hidden);
        if (event.key === "Enter" && found.length === 1) {
            found[0].querySelector("a").click();
        }
    });
    filter(); // the browser may have kept what was typed
    // Here adding begins, not at the form's first field, which a script of Django's takes the focus to, sooner or later.
    // Whoever has begun meanwhile is left alone: to focus is to scroll, and a button would move away under the mouse.
    let begun = false;
    for (const act of ["pointerdown", "keydown", "input", "wheel"]) {
        document.addEventListener(act, () => { begun = true; }, { capture: true, once: true, passive: true });
    }
    box.focus();
    window.addEventListener("load", () => {
        if (!begun) {
            box.focus();
        }
    });
});
