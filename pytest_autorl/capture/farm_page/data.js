// The attempts, read from the page's JSON, and how they are told in words.
// Times are seconds since the first dispatch.

const byId = (id) => document.getElementById(id);
const packed = JSON.parse(byId("data").textContent);
const LENGTH = packed.length / packed.unit;
const WAIT = 0.05; // shorter waits are not shown: every test waits a moment

const lanes = packed.lanes.map(([name, about, note], index) => ({
    index,
    name,
    about,
    note,
    attempts: [],
    outages: [],
    gaps: [],
}));
const tests = packed.tests.map(([module, rest]) => ({
    id: (module < 0 ? "" : packed.modules[module]) + rest,
    attempts: [],
}));

const attempts = packed.attempts.test.map((test, index) => {
    const column = (name) => packed.attempts[name][index];
    const seconds = (name) => column(name) / packed.unit;
    const on = column("lanes");
    const start = seconds("start");
    const attempt = {
        index,
        test: tests[test],
        lanes: Array.isArray(on) ? on : [on],
        start,
        end: start + seconds("took"),
        setup: seconds("setup"),
        fixture: seconds("fixture"),
        waited: seconds("waited"),
        outcome: packed.outcomes[column("outcome")],
        blame: packed.words[column("blame")],
        worker: packed.words[column("worker")],
        need: packed.words[column("need")],
        number: column("attempt"),
        why: packed.reasons[column("why")],
        isShown: true,
        isFound: true,
        isCritical: false,
    };
    attempt.test.attempts.push(attempt);
    for (const lane of attempt.lanes) lanes[lane].attempts.push(attempt);
    return attempt;
});
for (const [lane, start, end, why] of packed.outages)
    lanes[lane].outages.push({ start: start / packed.unit, end: end / packed.unit, why });
for (const index of packed.critical) attempts[index].isCritical = true;

for (const test of tests) test.attempts.sort((a, b) => a.start - b.start || a.number - b.number);
for (const lane of lanes) {
    lane.attempts.sort((a, b) => a.start - b.start);
    let reached = 0,
        filled = 0;
    // How far the lane is in use after each of its attempts: they may overlap where one was lost.
    lane.reached = lane.attempts.map((attempt) => (reached = Math.max(reached, attempt.end)));
    for (const { start, end } of [...lane.attempts, ...lane.outages].sort((a, b) => a.start - b.start)) {
        if (start > filled) lane.gaps.push({ start: filled, end: start });
        filled = Math.max(filled, end);
    }
    if (filled < LENGTH) lane.gaps.push({ start: filled, end: LENGTH });
}

/** First place in a sorted list whose value is greater than this one. */
function firstAbove(list, value, of) {
    let low = 0,
        high = list.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (of(list[middle]) > value) high = middle;
        else low = middle + 1;
    }
    return low;
}

/** Place of the first attempt of a lane that can reach into the time after this moment. */
const firstAfter = (lane, time) => firstAbove(lane.reached, time, (end) => end);

const shortName = (test) =>
    test.id.slice(
        test.id.lastIndexOf("::", test.id.indexOf("[") < 0 ? Infinity : test.id.indexOf("[")) +
            (test.id.includes("::") ? 2 : 1),
    );
const laneNames = (attempt) => attempt.lanes.map((lane) => lanes[lane].name).join(", ");

const pair = (number) => String(Math.floor(number)).padStart(2, "0");

/** Seconds with as many digits as one can use. */
function inWords(seconds) {
    if (seconds >= 7200) return `${Math.floor(seconds / 3600)} h ${pair((seconds / 60) % 60)} min`;
    if (seconds >= 120) return `${Math.floor(seconds / 60)} min ${pair(seconds % 60)} s`;
    return `${seconds.toFixed(seconds < 10 ? 3 : 2)} s`;
}

/** A moment on an axis with ticks this far apart. */
function onAxis(seconds, step) {
    if (LENGTH < 120)
        return `${seconds.toFixed(step >= 1 ? 0 : Math.min(4, Math.ceil(-Math.log10(step) - 1e-9)))} s`;
    const whole = step >= 1 ? Math.round(seconds) : Math.floor(seconds + 1e-9);
    const rest = step >= 1 ? "" : (seconds - whole).toFixed(Math.ceil(-Math.log10(step) - 1e-9)).slice(1);
    const hours = Math.floor(whole / 3600);
    return (
        (hours ? `${hours}:${pair((whole / 60) % 60)}` : `${Math.floor(whole / 60)}`) +
        `:${pair(whole % 60)}${rest}`
    );
}

/** What is known of an attempt, as pairs of name and text. */
function facts(attempt) {
    const { test, setup, fixture } = attempt;
    const count = test.attempts.length;
    const pairs = [
        ["outcome", attempt.outcome + (attempt.blame ? `, blame ${attempt.blame}` : "")],
        ["attempt", `${attempt.number}${count > 1 ? `, of ${count} with a device` : ""}`],
        [attempt.lanes.length > 1 ? "devices" : "device", laneNames(attempt)],
        ["need", attempt.need],
        ["worker", attempt.worker],
        [
            "took",
            `${inWords(attempt.end - attempt.start)}, ` +
                `from ${attempt.start.toFixed(3)} s to ${attempt.end.toFixed(3)} s`,
        ],
        [
            "set-up",
            setup > 0
                ? `${inWords(setup)} (session ${inWords(Math.max(0, setup - fixture))}, ` +
                  `fixtures ${inWords(fixture)})`
                : "none",
        ],
        [
            "waited",
            `${inWords(attempt.waited)} for ${attempt.lanes.length > 1 ? "the devices" : "the device"}`,
        ],
    ];
    if (attempt.why) pairs.push(["chosen", attempt.why]);
    if (attempt.isCritical) pairs.push(["path", "on the critical path"]);
    return pairs;
}
