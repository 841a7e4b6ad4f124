"use strict";
// The feed's form: one way to enter the body at a time, more rows, and a dry run that follows what is typed. Without
// scripts all ways are shown, and the dry run is a page of its own.
document.addEventListener("DOMContentLoaded", () => {
    const panel = document.querySelector("[data-apiconnector-try]");
    if (!panel) {
        return;
    }
    const form = panel.closest("form");
    const result = panel.querySelector("[data-apiconnector-result]");
    const sent = panel.querySelector("[data-apiconnector-sent]");
    const send = panel.querySelector("[data-apiconnector-send]");
    // What the site answers; null where that is no answer, or the page to log in.
    const post = async (url, more = {}) => {
        const data = new FormData(form);
        Object.entries(more).forEach(([name, value]) => data.set(name, value));
        try {
            const answer = await fetch(url, { method: "POST", body: data, headers: { "X-Requested-With": "fetch" } });
            return answer.ok && !answer.redirected ? await answer.text() : null;
        } catch {
            return null;
        }
    };
    const LOST = "The site did not answer, or you are not logged in any more. What you typed is still here: log in in "
        + "another tab, and try again.";

    // A test is sent after saving: what was typed as sample data is there again on the page that follows, in this tab.
    const sample = panel.querySelector("textarea");
    const key = () => `apiconnector-sample ${form.querySelector("#id_slug")?.value || location.pathname}`;
    try {
        sample.value = sessionStorage.getItem(key()) ?? sample.value;
        form.addEventListener("submit", () => sessionStorage.setItem(key(), sample.value));
    } catch {
        // A browser that keeps nothing.
    }

    let latest = 0;
    const show = (text) => {
        result.removeAttribute("aria-busy");
        if (text === null) {
            result.textContent = LOST;
            return;
        }
        result.innerHTML = text;
        // The JSON stands beside the table that makes it; nothing where it makes none.
        const made = result.querySelector("[data-apiconnector-made]");
        const beside = document.querySelector("[data-apiconnector-json]");
        if (beside) {
            beside.replaceChildren(...(made ? [made.querySelector("pre")] : []));
            made?.remove();
        }
    };
    const tryOut = async () => {
        if (!panel.dataset.dryRun) {
            return; // somebody who may not change the feed
        }
        latest += 1;
        const mine = latest;
        result.setAttribute("aria-busy", "true");
        const text = await post(panel.dataset.dryRun);
        if (mine === latest) { // else something was typed since
            show(text);
        }
    };
    let timer = 0;
    const soon = () => {
        clearTimeout(timer);
        timer = setTimeout(tryOut, 400);
    };
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);

    const mapping = document.querySelector("[data-apiconnector-mapping]");
    if (mapping) {
        const ways = [...mapping.querySelectorAll("input[type=radio]")];
        let chosen = ways.find((way) => way.checked) || ways[0];
        const stays = mapping.querySelector("[data-apiconnector-stays]");
        const parts = () => [...mapping.querySelectorAll("[data-way]")];
        const choose = (way) => {
            chosen = way;
            way.checked = true;
            parts().forEach((part) => { part.hidden = part.dataset.way !== way.value; });
            mapping.querySelector("[data-apiconnector-add]").hidden = false;
        };
        // What was typed is put into the other ways first, by the site; what it can't read stays where it is, and is
        // said. Until then the way before counts.
        const change = async (way) => {
            const before = chosen;
            before.checked = true;
            const text = await post(panel.dataset.dryRun, { "apiconnector-ways": "1" });
            show(text);
            const carried = result.querySelector("template[data-apiconnector-ways]");
            stays.textContent = carried ? "" : "This can't be read: what is wrong with it is said at “Try it”, below.";
            if (!carried || chosen !== before) {
                return;
            }
            for (const part of parts().filter((one) => one.dataset.way !== before.value)) {
                const other = carried.content.querySelector(`[data-way=${part.dataset.way}]`);
                if (other) {
                    part.replaceChildren(...other.childNodes);
                }
            }
            const fitting = carried.content.querySelector("input[type=radio][checked]");
            if (fitting && way.value !== "json" && way.value !== fitting.value) {
                stays.textContent = "What was typed can't be shown so, and would not be sent: it is still there in the other way.";
            }
            choose(way);
            way.focus();
            soon();
        };
        ways.forEach((way) => ["input", "change"].forEach((kind) => way.addEventListener(kind, (event) => {
            event.stopPropagation();
            if (kind === "change") {
                change(way);
            }
        })));
        choose(chosen);
        mapping.addEventListener("click", (event) => {
            if (!event.target.closest("[data-apiconnector-add]")) {
                return;
            }
            const rows = mapping.querySelector("tbody");
            const row = rows.lastElementChild.cloneNode(true);
            row.querySelectorAll("input").forEach((input) => { input.value = ""; });
            rows.append(row);
            row.querySelector("input").focus();
        });
    }

    panel.querySelectorAll("button").forEach((button) => { button.type = "button"; }); // Enter saves, as elsewhere
    panel.querySelector("[data-apiconnector-dry-run]")?.addEventListener("click", () => {
        clearTimeout(timer);
        tryOut();
    });
    send?.addEventListener("click", async () => {
        // Pressed twice it would be sent twice.
        send.disabled = true;
        sent.textContent = "Sending…";
        const text = await post(panel.dataset.send);
        if (text === null) {
            sent.textContent = "The site did not answer, or you are not logged in any more. Look at the list of feed "
                + "runs before you send again: this may have been sent.";
        } else {
            sent.innerHTML = text;
        }
        send.disabled = false;
    });
    tryOut();
});
