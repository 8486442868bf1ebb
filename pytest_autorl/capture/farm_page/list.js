// The list below the lanes: attempts of the chosen test, or those that are searched for.

const found = byId("found"),
    search = byId("search");
const LISTED = 100; // so many at first
let listed = LISTED,
    isWhole = false;

/** Choose a test: its attempts are listed and marked. None: what is searched for is listed again. */
function choose(test, attempt = null) {
    chosen.test = test;
    if (attempt) {
        chosen.focused = attempt;
        chosen.laneOfFocus = attempt.lanes[0];
    } else if (!test) chosen.focused = null;
    listed = LISTED;
    tell();
    redraw();
}

/** From a list to the drawing. */
function goTo(attempt) {
    choose(attempt.test, attempt);
    reveal(attempt);
    byId("lanes-title").scrollIntoView({ block: "start" });
}

const columns = [
    ["test", (a) => a.test.id],
    ["attempt", (a) => String(a.number), 1],
    ["outcome", (a) => a.outcome + (a.blame ? ` (${a.blame})` : "")],
    ["device", laneNames],
    ["need", (a) => a.need],
    ["worker", (a) => a.worker],
    ["waited", (a) => inWords(a.waited), 1],
    ["set-up", (a) => inWords(a.setup), 1],
    ["in all", (a) => inWords(a.end - a.start), 1],
    ["from", (a) => inWords(a.start), 1],
    ["chosen", (a) => a.why],
];

/** The list below the lanes: attempts of the chosen test, or those that are searched for. */
function tell() {
    const isFiltered = search.value.trim() !== "" || isWhole;
    found.hidden = !chosen.test && !isFiltered;
    if (found.hidden) return;
    const rows = chosen.test
        ? chosen.test.attempts
        : attempts.filter((attempt) => attempt.isFound && attempt.isShown);
    const count = `${rows.length} ${rows.length === 1 ? "attempt" : "attempts"}`;
    const head = element("header");
    const close = element("button", "close");
    close.type = "button";
    close.addEventListener("click", clear);
    head.append(element("b", chosen.test ? `${count} of ${chosen.test.id}` : count), close);
    const shown = columns.filter(
        ([name, text]) => (name !== "test" || !chosen.test) && rows.slice(0, listed).some((row) => text(row)),
    );
    const table = element("table"),
        top = element("tr"),
        body = element("tbody");
    for (const [name, , isNumber] of shown) {
        const cell = element("th", name, isNumber ? "n" : "");
        cell.scope = "col";
        top.append(cell);
    }
    for (const attempt of rows.slice(0, listed)) {
        const row = element("tr");
        for (const [name, text, isNumber] of shown) {
            const cell = element("td", name === "test" ? undefined : text(attempt), isNumber ? "n" : "");
            if (name === "test") cell.append(linked(element("span", attempt.test.id, "test"), attempt));
            if (name === "attempt" && chosen.test)
                cell.replaceChildren(linked(element("span", text(attempt), "test"), attempt));
            if (name === "device" && attempt.lanes.length === 1) cell.className = "one";
            if (name === "need" || name === "chosen") cell.className = "need";
            if (name === "outcome") cell.className = `word ${attempt.outcome}`;
            row.append(cell);
        }
        body.append(row);
    }
    const group = element("thead");
    group.append(top);
    table.append(group, body);
    found.replaceChildren(head, table);
    if (rows.length > listed) {
        const more = element("button", `${rows.length - listed} more`);
        more.type = "button";
        more.addEventListener("click", () => {
            listed += 10 * LISTED;
            tell();
        });
        found.append(more);
    }
}

/** Make a test's name lead to its attempt in the drawing. */
function linked(span, attempt) {
    span.tabIndex = 0;
    span.setAttribute("role", "button");
    span.addEventListener("click", () => goTo(attempt));
    span.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            goTo(attempt);
        }
    });
    return span;
}

function seek() {
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    for (const attempt of attempts) {
        const text = words.length
            ? [attempt.test.id, laneNames(attempt), attempt.need, attempt.worker, attempt.blame]
                  .join("\n")
                  .toLowerCase()
            : "";
        attempt.isFound = words.every((word) => text.includes(word));
    }
    const count = attempts.reduce((sum, attempt) => sum + (attempt.isFound && attempt.isShown ? 1 : 0), 0);
    byId("count").textContent = words.length ? `${count} of ${attempts.length}` : "";
    chosen.test = null;
    listed = LISTED;
    tell();
    redraw();
}

function clear() {
    search.value = "";
    isWhole = false;
    byId("every").setAttribute("aria-pressed", "false");
    chosen.focused = null;
    hideTip();
    seek();
}
