// The lanes, on one canvas as large as what the window shows of them.

const scroll = byId("scroll"),
    glass = byId("glass"),
    canvas = byId("canvas"),
    overview = byId("overview"),
    list = byId("lanes");
const view = { from: 0, to: LENGTH };
const chosen = { hovered: null, focused: null, test: null, laneOfFocus: 0 };
const layers = { waits: true, critical: false };
const size = { width: 0, height: 0, row: 0, top: 0 };
const RULER = 20,
    AREA = 58,
    SLIT = 2;
const isDimmed = (attempt) => !attempt.isFound;
let ink = {};

/** The colours of the style sheet, and two patterns made of them. */
function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of [
        "ink",
        "dim",
        "line",
        "card",
        "track",
        "grid",
        "passed",
        "failed",
        "skipped",
        "lost",
        "lost2",
        "wait",
        "session",
        "fixture",
        "out",
        "focus",
        "critical",
    ]) {
        ink[name] = style.getPropertyValue(`--${name}`).trim();
    }
    ink.lostStripes = stripes(ink.lost, ink.lost2, 4);
    ink.outStripes = stripes(ink.track, ink.out, 2);
}

/** A pattern of diagonal stripes. */
function stripes(back, front, width) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const draw = tile.getContext("2d");
    draw.fillStyle = back;
    draw.fillRect(0, 0, 8, 8);
    draw.strokeStyle = front;
    draw.lineWidth = width * 0.7;
    for (const at of [-8, 0, 8]) {
        draw.beginPath();
        draw.moveTo(at - 2, 10);
        draw.lineTo(at + 10, -2);
        draw.stroke();
    }
    return draw.createPattern(tile, "repeat");
}

function fit(target, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.round(width * ratio),
        high = Math.round(height * ratio);
    if (target.width !== wide || target.height !== high) {
        target.width = wide;
        target.height = high;
    }
    target.style.width = `${width}px`;
    target.style.height = `${height}px`;
    const draw = target.getContext("2d");
    draw.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw.clearRect(0, 0, width, height);
    return draw;
}

const xOf = (time) => ((time - view.from) / (view.to - view.from)) * size.width;
const timeAt = (x) => view.from + (x / size.width) * (view.to - view.from);
const yOf = (lane) => lane * size.row - size.top + SLIT;
const barTop = () => (size.row >= 34 ? 3 : 2);
const barHeight = () => size.row - SLIT * 2 - barTop() - (size.row >= 34 ? 8 : 5);

let isAsked = false;
/** Draw before the next frame, once. */
function redraw() {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
        isAsked = false;
        drawLanes();
        drawOverview();
    });
}

function measure() {
    const track = list.querySelector(".still");
    size.width = track ? track.getBoundingClientRect().width : 0;
    size.row = lanes.length ? list.getBoundingClientRect().height / lanes.length : 1;
    size.height = scroll.clientHeight;
}

function drawLanes() {
    if (!size.width) return;
    size.top = scroll.scrollTop;
    const draw = fit(canvas, size.width, size.height);
    const first = Math.max(0, Math.floor(size.top / size.row));
    const last = Math.min(lanes.length, Math.ceil((size.top + size.height) / size.row));
    draw.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    draw.textBaseline = "middle";
    const marks = ticks(view.from, view.to, size.width);
    for (let index = first; index < last; index++) drawTrack(draw, index, marks);
    for (let index = first; index < last; index++) drawLane(draw, lanes[index]);
    if (layers.critical)
        joinAll(
            draw,
            packed.critical.map((index) => attempts[index]),
            ink.critical,
        );
    const shown = chosen.hovered || chosen.focused;
    if (shown) joinAll(draw, shown.test.attempts, ink.ink);
    if (chosen.test && chosen.test !== shown?.test) joinAll(draw, chosen.test.attempts, ink.focus);
    if (shown) {
        draw.lineWidth = 3;
        outline(draw, shown, ink.focus);
    }
}

function drawTrack(draw, index, marks) {
    const y = yOf(index),
        height = size.row - SLIT * 2;
    draw.fillStyle = ink.track;
    draw.fillRect(0, y, size.width, height);
    draw.fillStyle = ink.grid;
    for (const time of marks.times) draw.fillRect(Math.round(xOf(time)), y, 1, height);
    for (const { start, end } of lanes[index].outages) {
        const left = Math.max(0, xOf(start)),
            right = Math.min(size.width, xOf(end));
        if (right < left) continue;
        draw.fillStyle = ink.outStripes;
        draw.fillRect(left, y, Math.max(2, right - left), height);
    }
}

function drawLane(draw, lane) {
    const top = yOf(lane.index) + barTop(),
        height = barHeight();
    const labels = [];
    // What failed is drawn last, and never too narrow to be seen among thousands.
    for (const isBad of [false, true]) {
        let covered = -1;
        for (let place = firstAfter(lane, view.from); place < lane.attempts.length; place++) {
            const attempt = lane.attempts[place];
            if (attempt.start > view.to) break;
            if (!attempt.isShown || isBad !== (attempt.outcome === "failed" || attempt.outcome === "lost"))
                continue;
            const left = xOf(attempt.start),
                right = xOf(attempt.end),
                width = right - left;
            if (!isBad && attempt.isFound && right < covered) continue; // hidden by its predecessor's pixel
            covered = Math.ceil(right);
            drawBar(
                draw,
                attempt,
                left,
                top,
                width > 4 ? width - 1 : Math.max(width, isBad ? 2.5 : 0.8),
                height,
            );
            if (width > 46 && height >= 11) labels.push([attempt, left, right]);
        }
    }
    for (const [attempt, left, right] of labels)
        label(
            draw,
            shortName(attempt.test).replace(/^test_(?=.)/, ""),
            left,
            right,
            top + height / 2,
            isDimmed(attempt),
        );
    if (layers.waits) drawWaits(draw, lane);
}

function drawBar(draw, attempt, left, top, width, height) {
    const from = Math.max(-4, left),
        to = Math.min(size.width + 4, left + width);
    const radius = width > 7 ? Math.min(3, height / 5) : 0;
    draw.globalAlpha = isDimmed(attempt) ? 0.16 : 1;
    draw.fillStyle = attempt.outcome === "lost" ? ink.lostStripes : ink[attempt.outcome];
    draw.beginPath();
    draw.roundRect(from, top, Math.max(0.8, to - from), height, radius);
    draw.fill();
    const took = attempt.end - attempt.start;
    if (took > 0 && attempt.setup > 0 && width > 2) {
        // Session first, then fixtures: that is their order within a test's own set-up.
        const session = Math.min(1, Math.max(0, attempt.setup - attempt.fixture) / took);
        const both = Math.min(1, attempt.setup / took);
        part(draw, left, left + width * session, top, height, radius, ink.session);
        part(
            draw,
            left + width * session,
            left + width * both,
            top,
            height,
            session ? 0 : radius,
            ink.fixture,
        );
    }
    if (attempt.outcome === "lost") {
        draw.fillStyle = ink.failed;
        draw.fillRect(
            to - Math.min(3, Math.max(1, width / 2)),
            top,
            Math.min(3, Math.max(1, width / 2)),
            height,
        );
    }
    draw.globalAlpha = 1;
}

function part(draw, left, right, top, height, radius, colour) {
    const from = Math.max(-4, left),
        to = Math.min(size.width + 4, right);
    if (to - from < 0.4) return;
    draw.fillStyle = colour;
    draw.beginPath();
    draw.roundRect(from, top, to - from, height, [radius, 0, 0, radius]);
    draw.fill();
}

function label(draw, text, left, right, middle, isFaint) {
    const from = Math.max(0, left) + 6,
        room = Math.min(size.width, right) - 6 - from;
    if (room < 28) return;
    let shown = text.slice(0, 200);
    const wide = draw.measureText(shown).width;
    const fitting = Math.max(1, Math.floor((shown.length * room) / wide) - 1);
    if (wide > room) shown = shown.slice(0, fitting) + "…";
    draw.globalAlpha = isFaint ? 0.3 : 1;
    draw.fillStyle = "#fff";
    draw.fillText(shown, from, middle + 0.5);
    draw.globalAlpha = 1;
}

function drawWaits(draw, lane) {
    const y = yOf(lane.index) + size.row - SLIT * 2 - (size.row >= 34 ? 5 : 3),
        height = size.row >= 34 ? 3 : 2;
    draw.fillStyle = ink.wait;
    let covered = -1;
    for (const attempt of lane.attempts) {
        if (attempt.waited <= WAIT || attempt.start < view.from || !attempt.isShown) continue;
        const left = xOf(Math.max(0, attempt.start - attempt.waited)),
            right = xOf(attempt.start);
        if (left > size.width) continue;
        draw.globalAlpha = isDimmed(attempt) ? 0.15 : 0.85;
        const from = Math.max(0, left, covered);
        if (right > from) draw.fillRect(from, y, Math.max(1.5, Math.min(size.width, right) - from), height);
        covered = Math.max(covered, right);
    }
    draw.globalAlpha = 1;
}

function boxOf(attempt, lane) {
    const left = xOf(attempt.start),
        right = Math.max(left + 2, xOf(attempt.end));
    return { left, right, top: yOf(lane) + barTop(), bottom: yOf(lane) + barTop() + barHeight() };
}

function outline(draw, attempt, colour) {
    draw.strokeStyle = colour;
    for (const lane of attempt.lanes) {
        const box = boxOf(attempt, lane);
        const from = Math.max(-9, box.left),
            to = Math.min(size.width + 9, box.right);
        draw.beginPath();
        draw.roundRect(from - 1, box.top - 1, to - from + 1, box.bottom - box.top + 2, 4);
        draw.stroke();
    }
}

/** Outline these attempts; join the devices of each, and each with its follower. */
function joinAll(draw, chain, colour) {
    draw.lineWidth = 2;
    draw.strokeStyle = colour;
    let previous = null;
    for (const attempt of chain) {
        outline(draw, attempt, colour);
        const boxes = attempt.lanes.map((lane) => boxOf(attempt, lane)).sort((a, b) => a.top - b.top);
        for (let place = 1; place < boxes.length; place++) {
            const middle = Math.max(0, Math.min(size.width, (boxes[0].left + boxes[0].right) / 2));
            draw.beginPath();
            draw.moveTo(middle, boxes[place - 1].bottom + 1);
            draw.lineTo(middle, boxes[place].top - 1);
            draw.stroke();
        }
        // On one lane they stand beside each other.
        if (previous && !previous.some((box) => boxes.some((other) => other.top === box.top)))
            link(draw, previous[0], boxes[0]);
        previous = boxes;
    }
}

function link(draw, from, to) {
    const y1 = (from.top + from.bottom) / 2,
        y2 = (to.top + to.bottom) / 2,
        bend = Math.max(14, Math.abs(to.left - from.right) / 2);
    draw.setLineDash([5, 3]);
    draw.beginPath();
    draw.moveTo(from.right, y1);
    draw.bezierCurveTo(from.right + bend, y1, to.left - bend, y2, to.left, y2);
    draw.stroke();
    draw.setLineDash([]);
}
