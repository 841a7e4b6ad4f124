"use strict";
// The feed's form: one way to enter the body at a time, more rows, and a dry run that follows what is typed. Without
// scripts all ways are shown, and the dry run is a page of its own.
document.addEventListener("DOMContentLoaded", () => {
    const mapping = document.querySelector("[data-apiconnector-mapping]");
    if (mapping) {
        const ways = [...mapping.querySelectorAll("input[type=radio]")];
        const show = () => {
            const chosen = ways.find((way) => way.checked);
            for (const part of mapping.querySelectorAll("[data-way]")) {
                part.hidden = chosen && part.dataset.way !== chosen.value;
            }
        };
        ways.forEach((way) => way.addEventListener("change", show));
        show();
        const more = mapping.querySelector("[data-apiconnector-add]");
        more.hidden = false;
        more.addEventListener("click", () => {
            const rows = mapping.querySelector("tbody");
            const row = rows.lastElementChild.cloneNode(true);
            row.querySelectorAll("input").forEach((input) => { input.value = ""; });
            rows.append(row);
            row.querySelector("input").focus();
        });
    }
    const panel = document.querySelector("[data-apiconnector-try]");
    if (!panel) {
        return;
    }
    const form = panel.closest("form");
    const result = panel.querySelector("[data-apiconnector-result]");
    let latest = 0;
    const ask = async (url) => {
        latest += 1;
        const mine = latest;
        result.setAttribute("aria-busy", "true");
        let text;
        try {
            const answer = await fetch(url, {
                method: "POST", body: new FormData(form), headers: { "X-Requested-With": "fetch" },
            });
            text = answer.ok ? await answer.text() : "";
        } catch {
            text = "";
        }
        if (mine !== latest) {
            return; // something was typed since
        }
        result.removeAttribute("aria-busy");
        if (text) {
            result.innerHTML = text;
            // The JSON stands beside the table that makes it.
            const made = result.querySelector("[data-apiconnector-made]");
            const beside = document.querySelector("[data-apiconnector-json]");
            if (made && beside) {
                beside.replaceChildren(made.querySelector("pre"));
                made.remove();
            }
        } else {
            result.textContent = "The site did not answer. Reload the page, and try again.";
        }
    };
    let timer = 0;
    const soon = () => {
        clearTimeout(timer);
        timer = setTimeout(() => ask(panel.dataset.dryRun), 400);
    };
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    panel.addEventListener("click", (event) => {
        const button = event.target.closest("[data-apiconnector-dry-run], [data-apiconnector-send]");
        if (button) {
            event.preventDefault();
            clearTimeout(timer);
            ask("apiconnectorSend" in button.dataset ? panel.dataset.send : panel.dataset.dryRun);
        }
    });
    ask(panel.dataset.dryRun);
});
