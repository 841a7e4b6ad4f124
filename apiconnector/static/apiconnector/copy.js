"use strict";
// The Copy buttons. Where the clipboard is not to be had (plain http), the text is selected for the person to copy.
document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-apiconnector-copy]");
    if (!button) {
        return;
    }
    const input = document.getElementById(button.dataset.apiconnectorCopy);
    input.select();
    let done = false;
    try {
        await navigator.clipboard.writeText(input.value);
        done = true;
    } catch {
        done = document.execCommand("copy");
    }
    const label = button.textContent;
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 1500);
});
