// Above the lanes: how many devices were in use over time, which part of the run is shown, and its axis.

/** Round moments about 90 pixels apart. */
function ticks(from, to, width) {
    const rough = (to - from) / Math.max(2, width / 90);
    const rounds = [
        1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120,
        300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
    ];
    const step = rounds.find((round) => round >= rough) || 86400;
    const times = [];
    for (let n = Math.ceil(from / step - 1e-9); n * step <= to * (1 + 1e-12); n++) times.push(n * step);
    return { step, times };
}

let usage = null;
/** Devices in use, on the average of each pixel of the whole run; of them those that failed or were lost. */
function usageOf(width) {
    if (usage && usage.width === width) return usage;
    const columns = Math.max(1, Math.round(width));
    const used = new Float64Array(columns + 1),
        setUp = new Float64Array(columns + 1),
        bad = new Map();
    const add = (target, start, end) => {
        const from = (start / LENGTH) * columns,
            to = Math.min(columns, (end / LENGTH) * columns);
        for (let column = Math.floor(from); column < to; column++)
            target[column] += Math.min(to, column + 1) - Math.max(from, column);
    };
    for (const attempt of attempts) {
        attempt.lanes.forEach(() => {
            add(used, attempt.start, attempt.end);
            add(setUp, attempt.start, Math.min(attempt.end, attempt.start + attempt.setup));
        });
        const column = Math.round((attempt.end / LENGTH) * columns);
        if (attempt.outcome === "failed" || attempt.outcome === "lost")
            bad.set(column, (bad.get(column) || 0) + 1);
    }
    return (usage = { width, columns, used, setUp, bad });
}

function drawOverview() {
    if (!size.width) return;
    const draw = fit(overview, size.width, AREA + RULER);
    const { columns, used, setUp, bad } = usageOf(size.width);
    const most = Math.max(1, lanes.length),
        floor = AREA - 5,
        high = floor - 3;
    draw.fillStyle = ink.track;
    draw.fillRect(0, 0, size.width, AREA);
    const area = (values, colour) => {
        draw.fillStyle = colour;
        draw.beginPath();
        draw.moveTo(0, floor);
        for (let column = 0; column < columns; column++) {
            const y = floor - Math.min(1, values[column] / most) * high;
            draw.lineTo(column, y);
            draw.lineTo(column + 1, y);
        }
        draw.lineTo(columns, floor);
        draw.fill();
    };
    area(used, ink.passed);
    area(setUp, ink.session);
    draw.fillStyle = ink.failed;
    // Where there are many of them, the shade says where most are.
    const peak = Math.max(1, ...bad.values());
    for (const [column, count] of bad) {
        draw.globalAlpha = Math.max(0.25, count / peak);
        draw.fillRect(Math.min(columns - 2, column - 1), AREA - 4, 2, 4);
    }
    draw.globalAlpha = 1;
    const isZoomed = view.to - view.from < LENGTH * 0.9999;
    if (isZoomed) {
        const left = (view.from / LENGTH) * size.width,
            right = (view.to / LENGTH) * size.width;
        draw.globalAlpha = 0.66;
        draw.fillStyle = ink.card;
        draw.fillRect(0, 0, left, AREA);
        draw.fillRect(right, 0, size.width - right, AREA);
        draw.globalAlpha = 1;
        draw.strokeStyle = ink.focus;
        draw.lineWidth = 2;
        draw.strokeRect(Math.min(left + 1, size.width - 3), 1, Math.max(2, right - left - 2), AREA - 2);
    }
    draw.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    draw.textBaseline = "middle";
    draw.fillStyle = ink.dim;
    const marks = ticks(view.from, view.to, size.width);
    for (const time of marks.times) {
        const text = onAxis(time, marks.step),
            half = draw.measureText(text).width / 2;
        draw.fillText(
            text,
            Math.max(0, Math.min(size.width - 2 * half, xOf(time) - half)),
            AREA + RULER / 2 + 1,
        );
    }
    byId("reset").disabled = byId("out").disabled = !isZoomed;
}
