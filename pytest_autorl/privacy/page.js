// Where a page shows what, in CSS pixels of the viewport. Reads only. Called with (limits, selectors); gives
// {scale, left, top, width, height, blocks: [[[text, boxes], ...], ...], covered: [boxes], why}.
// A box is [left, top, right, bottom]. `why` says what keeps the answer from being the whole truth.
const limits = arguments[0], selectors = arguments[1];
let view;
try {
  view = window.top;
  view.document.documentElement.nodeType;
} catch (error) {
  return {why: "the session is in a frame that may not look at its page"};
}
let rooms = limits.pieces, room = limits.characters;
const blocks = [], covered = [];
let why = "";

const plain = {x: 0, y: 0, across: 1, down: 1};
const inView = box => box[2] > 0 && box[3] > 0 && box[0] < view.innerWidth && box[1] < view.innerHeight;
function boxesOf(thing, frame) {
  return Array.from(thing.getClientRects())
    .map(r => [
      frame.x + r.left * frame.across, frame.y + r.top * frame.down,
      frame.x + r.right * frame.across, frame.y + r.bottom * frame.down,
    ])
    .filter(box => box[0] < box[2] && box[1] < box[3] && inView(box));
}
function piece(text, thing, frame) {
  const boxes = boxesOf(thing, frame);
  if (!boxes.length) return null;
  rooms -= 1;
  room -= text.length;
  if (rooms < 0 || room < 0) { why = "the page shows too much to be looked through"; return null; }
  return [text, boxes];
}
function cover(thing, frame) { covered.push(...boxesOf(thing, frame)); }

function shownIn(field) {
  if (field.localName !== "select") return field.value || field.placeholder || "";
  const isList = field.multiple || field.size > 1;
  return Array.from(isList ? field.options : field.selectedOptions, one => one.label).join("\n");
}
function namesOf(field) {
  const labels = Array.from(field.labels || [], one => one.textContent.trim());
  return new Set([field.name, field.id, field.getAttribute("aria-label"), field.placeholder, ...labels]);
}
function note(text, thing, frame) {
  const found = text.trim() ? piece(text, thing, frame) : null;
  if (found) blocks.push([found]);
}
function field(element, frame) {
  if (element.localName === "input" && (element.type || "").toLowerCase() === "password") {
    cover(element, frame);
    return;
  }
  note(shownIn(element), element, frame);
  if (!element.value) return;
  // With its names in front, as in a form that is sent: a bare value of a field tells little.
  for (const name of namesOf(element)) if (name) note(name + ": " + element.value, element, frame);
}
// What a style sheet writes before or after an element; short ones are icons.
function written(element, home, frame) {
  for (const place of ["::before", "::after"]) {
    const content = home.getComputedStyle(element, place).content;
    if (content.length > 6 && content.startsWith('"')) note(content.slice(1, -1), element, frame);
  }
}
function frameIn(element, frame) {
  let inner = null;
  try { inner = element.contentDocument; } catch (error) { inner = null; }
  if (!inner || !inner.documentElement) { cover(element, frame); return; }
  const r = element.getBoundingClientRect();
  const across = frame.across * (element.offsetWidth ? r.width / element.offsetWidth : 1);
  const down = frame.down * (element.offsetHeight ? r.height / element.offsetHeight : 1);
  const style = element.ownerDocument.defaultView.getComputedStyle(element);
  const px = name => parseFloat(style[name]) || 0;
  walk(inner, {
    x: frame.x + r.left * frame.across + (px("borderLeftWidth") + px("paddingLeft")) * across,
    y: frame.y + r.top * frame.down + (px("borderTopWidth") + px("paddingTop")) * down,
    across, down,
  });
}
const FIELDS = new Set(["input", "textarea", "select"]);
const FRAMES = new Set(["iframe", "frame", "object", "embed"]);
const SILENT = new Set(["script", "style", "noscript", "template", "head", "option"]);
const INLINE = /^(inline|contents|ruby)/;

function walk(root, frame) {
  for (const selector of selectors) {
    try {
      root.querySelectorAll(selector).forEach(one => cover(one, frame));
    } catch (error) {
      why = "the page does not understand the selector css=" + selector;
    }
  }
  const home = root.defaultView || (root.host && root.host.ownerDocument.defaultView);
  // A stack, since a page may be deeper than the engine recurses. Each entry: a node, the block it is in.
  const waiting = [[root.documentElement || root, []]];
  while (waiting.length) {
    const [node, block] = waiting.pop();
    if (node.nodeType === 3) {
      if (!node.data.trim()) { if (block.length) block.push([node.data, []]); continue; }
      const range = node.ownerDocument.createRange();
      range.selectNodeContents(node);
      const found = piece(node.data, range, frame);
      if (found) block.push(found);
      continue;
    }
    let inside = block;
    if (node.nodeType === 1) {
      const name = node.localName;
      if (SILENT.has(name)) continue;
      if (FIELDS.has(name)) { field(node, frame); continue; }
      if (FRAMES.has(name)) { frameIn(node, frame); continue; }
      const style = home ? home.getComputedStyle(node) : null;
      if (style && style.display === "none") continue;
      if (home) written(node, home, frame);
      if (!style || !INLINE.test(style.display)) { inside = []; blocks.push(inside); }
      if (node.shadowRoot) walk(node.shadowRoot, frame);
    } else if (node.nodeType === 11) {
      blocks.push(inside);
    }
    for (let child = node.lastChild; child; child = child.previousSibling) waiting.push([child, inside]);
  }
}
walk(view.document, plain);
const visual = view.visualViewport;
// Zoomed into, a part of the window is seen; else all of it, with the scroll bars that this part is told without.
const isZoomed = visual && visual.scale !== 1;
return {
  scale: (view.devicePixelRatio || 1) * (isZoomed ? visual.scale : 1),
  left: isZoomed ? visual.offsetLeft : 0,
  top: isZoomed ? visual.offsetTop : 0,
  width: isZoomed ? visual.width : view.innerWidth,
  height: isZoomed ? visual.height : view.innerHeight,
  blocks: blocks.filter(block => block.some(one => one[1].length)),
  covered, why,
};
