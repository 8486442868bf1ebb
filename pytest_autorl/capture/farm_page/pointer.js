// Which part of the run is shown, the tool tip, and what a mouse or a finger does in the drawings.

const tip = byId("tip");
const STEP = 1.5; // of one zoom

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** Show this part of the run. */
function show(from, to) {
    const span = clamp(to - from, Math.min(LENGTH, Math.max(LENGTH / 50000, 0.002)), LENGTH);
    view.from = clamp(from, 0, LENGTH - span);
    view.to = view.from + span;
    hideTip();
    redraw();
}

/** Zoom in by a factor; what is at this moment stays where it is. */
function zoom(factor, about = (view.from + view.to) / 2) {
    const span = (view.to - view.from) / factor,
        share = (about - view.from) / (view.to - view.from);
    show(about - span * share, about - span * share + span);
}

const pan = (share) =>
    show(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from));

/** Bring an attempt into sight. */
function reveal(attempt) {
    const span = view.to - view.from,
        took = attempt.end - attempt.start;
    if (attempt.end > view.to || attempt.start < view.from) {
        const wide = Math.min(LENGTH, Math.max(span, took * 1.2)),
            middle = (attempt.start + attempt.end) / 2;
        show(middle - wide / 2, middle + wide / 2);
    }
    if ((took / (view.to - view.from)) * size.width < 24) {
        const wide = Math.min(LENGTH, (Math.max(took, 0.001) * size.width) / 60),
            middle = (attempt.start + attempt.end) / 2;
        show(middle - wide / 2, middle + wide / 2);
    }
    const y = attempt.lanes[0] * size.row;
    if (y < scroll.scrollTop || y + size.row > scroll.scrollTop + scroll.clientHeight)
        scroll.scrollTop = y - scroll.clientHeight / 2;
}

function element(name, text, kind) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
}

function hideTip() {
    tip.hidden = true;
}

/** Show a tool tip beside a point of the window. */
function placeTip(kind, title, small, pairs, x, y) {
    tip.className = kind;
    const terms = element("dl");
    for (const [name, text] of pairs) terms.append(element("dt", name), element("dd", text));
    tip.replaceChildren(element("b", title), ...(small ? [element("small", small)] : []), terms);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
    const top = y + 18 + box.height > innerHeight ? y - 12 - box.height : y + 18;
    const within = (place, room, length) => clamp(place, 6, Math.max(6, room - length - 6));
    tip.style.transform =
        `translate(${within(left, innerWidth, box.width)}px,` + `${within(top, innerHeight, box.height)}px)`;
}

const tipOf = (attempt, x, y) =>
    placeTip(attempt.outcome, shortName(attempt.test), attempt.test.id, facts(attempt), x, y);

/** What lies at a point of the canvas: an attempt, an outage, or a gap. */
function at(x, y) {
    const lane = lanes[Math.floor((y + size.top) / size.row)];
    if (!lane) return {};
    const time = timeAt(x),
        slack = (3 / size.width) * (view.to - view.from);
    let best = null,
        nearest = Infinity;
    for (
        let place = firstAfter(lane, time - slack);
        place < lane.attempts.length && lane.attempts[place].start <= time + slack;
        place++
    ) {
        const attempt = lane.attempts[place];
        const distance = Math.max(0, attempt.start - time, time - attempt.end);
        if (attempt.isShown && distance <= slack && distance <= nearest) {
            best = attempt;
            nearest = distance;
        }
    }
    if (best) return { lane, attempt: best };
    const within = (span) => span.start <= time && time <= span.end;
    return { lane, outage: lane.outages.find(within), gap: lane.gaps.find(within) };
}

function hover(event) {
    const box = canvas.getBoundingClientRect();
    const { lane, attempt, outage, gap } = at(event.clientX - box.left, event.clientY - box.top);
    if (chosen.hovered !== (attempt || null)) {
        chosen.hovered = attempt || null;
        redraw();
    }
    canvas.classList.toggle("over", Boolean(attempt));
    const span = (part) => [
        ["from", `${part.start.toFixed(3)} s`],
        ["to", `${part.end.toFixed(3)} s`],
    ];
    if (attempt) tipOf(attempt, event.clientX, event.clientY);
    else if (outage)
        placeTip("", `${lane.name} not available`, outage.why, span(outage), event.clientX, event.clientY);
    else if (gap)
        placeTip(
            "",
            `${lane.name} idle for ${inWords(gap.end - gap.start)}`,
            gap.end >= LENGTH ? "until the end of the run" : "",
            span(gap),
            event.clientX,
            event.clientY,
        );
    else hideTip();
}

let drag = null;
canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, from: view.from, to: view.to, isMoved: false };
    canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
    if (!drag) return hover(event);
    const moved = event.clientX - drag.x;
    if (Math.abs(moved) > 4) drag.isMoved = true;
    if (!drag.isMoved) return undefined;
    canvas.classList.add("held");
    const shift = (-moved / size.width) * (drag.to - drag.from);
    return show(drag.from + shift, drag.to + shift);
});
const drop = (event) => {
    const wasClick = drag && !drag.isMoved && event.type === "pointerup";
    drag = null;
    canvas.classList.remove("held");
    if (!wasClick) return;
    const box = canvas.getBoundingClientRect();
    const { attempt } = at(event.clientX - box.left, event.clientY - box.top);
    choose(attempt ? attempt.test : null, attempt || null);
};
canvas.addEventListener("pointerup", drop);
canvas.addEventListener("pointercancel", drop);
canvas.addEventListener("pointerleave", () => {
    chosen.hovered = null;
    hideTip();
    redraw();
});
canvas.addEventListener("dblclick", (event) =>
    zoom(STEP * 2, timeAt(event.clientX - canvas.getBoundingClientRect().left)),
);
canvas.addEventListener(
    "wheel",
    (event) => {
        if (event.ctrlKey || event.metaKey) {
            event.preventDefault(); // a pinch on a touch pad comes as a wheel with Ctrl, too
            zoom(
                Math.exp(-clamp(event.deltaY, -60, 60) * 0.008),
                timeAt(event.clientX - canvas.getBoundingClientRect().left),
            );
            return;
        }
        const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
        if (
            Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY)) &&
            view.to - view.from < LENGTH
        ) {
            event.preventDefault();
            pan(sideways / size.width);
        }
    },
    { passive: false },
);

let brush = null;
const overviewTime = (event) =>
    clamp((event.clientX - overview.getBoundingClientRect().left) / size.width, 0, 1) * LENGTH;
overview.addEventListener("pointerdown", (event) => {
    brush = overviewTime(event);
    overview.setPointerCapture(event.pointerId);
});
overview.addEventListener("pointermove", (event) => {
    const now = overviewTime(event);
    if (brush === null) {
        const { columns, used } = usageOf(size.width);
        const count = used[Math.min(columns - 1, Math.floor((now / LENGTH) * columns))];
        placeTip(
            "",
            `${count.toFixed(lanes.length > 20 ? 0 : 1)} of ${lanes.length} devices in use`,
            "",
            [["at", inWords(now)]],
            event.clientX,
            event.clientY,
        );
    } else if ((Math.abs(now - brush) / LENGTH) * size.width > 4)
        show(Math.min(brush, now), Math.max(brush, now));
});
overview.addEventListener("pointerup", (event) => {
    const now = overviewTime(event),
        half = (view.to - view.from) / 2;
    if (brush !== null && (Math.abs(now - brush) / LENGTH) * size.width <= 4) show(now - half, now + half);
    brush = null;
});
overview.addEventListener("pointercancel", () => {
    brush = null;
});
overview.addEventListener("pointerleave", hideTip);
