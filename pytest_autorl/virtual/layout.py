"""From the state of a running app to the `Node` tree of the screen: who stands where, what a tap would hit.

One vertical flow per pane under a title bar. A list takes the height that is left and scrolls by itself; rows
outside it do not exist in the tree, as in a RecyclerView. Other content that does not fit scrolls with the
body and stays in the tree as not displayed. On tablets a screen with a `master` stands to its right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_autorl.virtual.app import INPUT_ROLES, TOGGLE_ROLES, Element, Row
from pytest_autorl.virtual.display import (
    BAR,
    BUTTON,
    FIELD,
    GAP,
    IMAGE,
    PADDING,
    PROGRESS,
    ROW_PADDING,
    SWITCH,
    TEXT_SIZE,
    TEXT_SIZES,
    Bounds,
    Container,
    Picture,
    Target,
    dialog_node,
    overlap,
    text_height,
    window,
)
from pytest_autorl.virtual.node import Node

if TYPE_CHECKING:
    from pytest_autorl.virtual.expressions import Scope
    from pytest_autorl.virtual.runtime import AppRun
    from pytest_autorl.virtual.screens import Entry

#: Share of a tablet's width that the master pane takes.
MASTER_SHARE = 0.4


def lay_out(run: AppRun) -> Picture:
    """The screen of a running app as it stands now."""
    return _Layout(run).picture()


class _Layout:
    def __init__(self, run: AppRun) -> None:
        self.run = run
        self.display = run.display
        self.dp = run.display.dp
        self.package = run.model.package
        self.targets: dict[str, Target] = {}
        self.containers: dict[str, Container] = {}

    def picture(self) -> Picture:
        display, run = self.display, self.run
        split = round(display.width * MASTER_SHARE)
        panes = run.panes()
        children = []
        for number, entry in enumerate(panes):
            left = split if number else 0
            right = split if len(panes) > 1 and not number else display.width
            frame = (left, display.top, right, display.height - display.bottom)
            children.append(self.placeholder(panes[0], frame) if entry is None else self.pane(entry, frame))
        if toast := run.toast():
            children.append(self.toast(toast))
        root = active = window(display, self.package, children)
        if (dialog := self.dialog()) is not None:
            children.append(dialog)
            active = window(display, dialog.package, [dialog])
        return Picture(root, active, self.targets, self.containers)

    def dialog(self) -> Node | None:
        shown = self.run.dialog()
        if shown is None:
            return None
        for button in shown.buttons:
            self.targets[f"{shown.key}/{button.name}"] = Target(None, answer=button.name)
        return dialog_node(
            self.display, shown.package, shown.key, title=shown.title, message=shown.message,
            buttons=[(button.name, button.text) for button in shown.buttons], names=shown.names,
        )  # fmt: skip

    def toast(self, text: str) -> Node:
        dp, display = self.dp, self.display
        bottom = display.height - display.bottom - dp(48)
        width = min(display.width - dp(64), dp(480))
        height = text_height(display, text, "", width) + dp(16)
        x1 = (display.width - width) // 2
        bounds = (x1, bottom - height, x1 + width, bottom)
        return self.node("text", "toast", "toast", bounds, text=text, style="toast")

    def placeholder(self, master: Entry | None, frame: Bounds) -> Node:
        run = self.run
        text = master.screen.placeholder(run.scope()) if master is not None else ""
        x1, y1, x2, y2 = frame
        height = text_height(self.display, text, "", x2 - x1)
        middle = (y1 + y2 - height) // 2
        label = self.node(
            "text", "detail_placeholder/text", "detail_placeholder",
            (x1 + self.dp(PADDING), middle, x2 - self.dp(PADDING), middle + height),
            text=text, style="caption",
        )  # fmt: skip
        return self.node("group", "detail_placeholder", "", frame, children=[label])

    def pane(self, entry: Entry, frame: Bounds) -> Node:
        x1, y1, x2, y2 = frame
        bar_bottom = y1 + self.dp(BAR)
        body = (x1, bar_bottom, x2, y2)
        pane = self.node("group", entry.key(""), f"{entry.screen.name}_screen", frame)
        pane.children = [self.bar(entry, (x1, y1, x2, bar_bottom))]
        pane.children += self.body(entry, body) if self.run.is_ready(entry) else self.loading(entry, body)
        return pane

    def bar(self, entry: Entry, frame: Bounds) -> Node:
        dp, scope = self.dp, self.run.scope()
        x1, y1, x2, y2 = frame
        bar = self.node("bar", entry.key("toolbar"), "toolbar", frame)
        left, right = x1 + dp(PADDING), x2 - dp(8)
        if self.run.can_go_back(entry):
            back = self.node(
                "button", entry.key("back_button"), "back_button",
                (x1 + dp(4), y1 + dp(4), x1 + dp(52), y2 - dp(4)),
                description="back_button", text="‹", clickable=True, focusable=True, style="bar",
            )  # fmt: skip
            self.targets[back.key] = Target(entry, answer="back")
            bar.children.append(back)
            left = x1 + dp(60)
        buttons = []
        for action in reversed(entry.screen.actions):
            if action.visible_when(scope):
                width = dp(24 + 9 * len(action.text(scope)))
                bounds = (right - width, y1 + dp(4), right, y2 - dp(4))
                buttons.append(self.plain(entry, action, entry.key(action.name), bounds, scope, None))
                right -= width + dp(4)
        title = entry.screen.title(scope)
        name = f"{entry.screen.name}_title"
        bounds = (left, y1 + dp(12), max(right, left + 1), y2 - dp(12))
        bar.children.append(self.node("text", entry.key(name), name, bounds, text=title, style="title"))
        bar.children += reversed(buttons)
        return bar

    def loading(self, entry: Entry, frame: Bounds) -> list[Node]:
        dp = self.dp
        x1, y1, x2, y2 = frame
        middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
        half = dp(PROGRESS) // 2
        spinner = (middle_x - half, middle_y - half, middle_x + half, middle_y + half)
        label = (x1 + dp(PADDING), middle_y + half + dp(8), x2 - dp(PADDING), middle_y + half + dp(32))
        return [
            self.node(
                "progress",
                entry.key("loading_indicator"),
                "loading_indicator",
                spinner,
                description="loading_indicator",
            ),
            self.node(
                "text", entry.key("loading_text"), "loading_text", label, text="Loading…", style="caption"
            ),
        ]

    def body(self, entry: Entry, frame: Bounds) -> list[Node]:
        dp, scope = self.dp, self.run.scope()
        x1, y1, x2, y2 = frame
        left, width = x1 + dp(PADDING), x2 - x1 - 2 * dp(PADDING)
        shown = [element for element in entry.screen.elements if element.visible_when(scope)]
        heights = {each.name: self.height(each, width, scope) for each in shown if each.role != "list"}
        fixed = sum(heights.values()) + dp(GAP) * max(0, len(shown) - 1) + 2 * dp(PADDING)
        for each in shown:
            if each.role == "list":
                content, least = self.list_height(each, width, scope)
                heights[each.name] = min(content, max(y2 - y1 - fixed, least))
        limit = max(0, fixed + sum(heights[e.name] for e in shown if e.role == "list") - (y2 - y1))
        offset = entry.offset("body", limit)
        body = self.node("group", entry.key("body"), "", frame, scrollable=limit > 0)
        if limit:
            self.containers[body.key] = Container(entry, "body", frame, limit)
        y = y1 + dp(PADDING) - offset
        for element in shown:
            bounds = (left, y, left + width, y + heights[element.name])
            body.children += self.place(entry, element, bounds, frame, scope, entry.key(element.name), None)
            y = bounds[3] + dp(GAP)
        return [body]

    def list_height(self, element: Element, width: int, scope: Scope) -> tuple[int, int]:
        """(height of all rows, least height): two rows are always to be seen."""
        row = self.row_height(element, width)
        count = len(self.records(element, scope))
        if not count:
            empty = self.dp(BUTTON)
            return empty, empty
        return row * count, row * min(2, count)

    def records(self, element: Element, scope: Scope) -> list[Any]:
        found = element.items(scope) if element.items is not None else []
        return found if isinstance(found, list) else []

    def row_height(self, element: Element, width: int) -> int:
        row = element.row
        lines = [] if row is None else [each for each in row.elements if each.style != "trailing"]
        text_h = sum(self.dp(TEXT_SIZES.get(each.style, TEXT_SIZE)[0]) for each in lines)
        return max(self.dp(56), text_h + 2 * self.dp(ROW_PADDING))

    def height(self, element: Element, width: int, scope: Scope) -> int:
        dp = self.dp
        if element.role == "group":
            shown = [child for child in element.children if child.visible_when(scope)]
            if element.horizontal:
                return max((self.height(child, width // len(shown), scope) for child in shown), default=0)
            return sum(self.height(child, width, scope) + dp(GAP) for child in shown)
        if element.role in INPUT_ROLES:
            error = self.run.errors.get(element.name, "")
            return dp(FIELD) + (text_height(self.display, error, "error", width) if error else 0)
        if element.role == "text":
            return text_height(self.display, element.text(scope), element.style, width)
        sizes = {"button": BUTTON, "image": IMAGE, "progress": PROGRESS}
        return dp(sizes.get(element.role, SWITCH))

    def place(
        self, entry: Entry, element: Element, bounds: Bounds, frame: Bounds, scope: Scope, key: str, item: Any
    ) -> list[Node]:
        """Nodes of one element: itself and, under a field, its error."""
        x1, y1, x2, y2 = bounds
        if element.role == "list":
            return [self.list(entry, element, bounds, frame, scope)]
        if element.role == "group":
            return [self.group(entry, element, bounds, frame, scope, item)]
        nodes = []
        error = self.run.errors.get(element.name, "") if element.role in INPUT_ROLES else ""
        if error:
            y2 = y1 + self.dp(FIELD)
            below = (x1, y2, x2, bounds[3])
            name = f"{element.name}_error"
            nodes.append(self.node("text", entry.key(name), name, below, text=error, style="error"))
        nodes.insert(0, self.plain(entry, element, key, (x1, y1, x2, y2), scope, item))
        for node in nodes:
            self.clip(node, frame)
        return nodes

    @staticmethod
    def clip(node: Node, frame: Bounds) -> None:
        seen = overlap(node.bounds, frame)
        node.displayed = seen is not None
        node.bounds = seen or node.bounds

    def group(
        self, entry: Entry, element: Element, bounds: Bounds, frame: Bounds, scope: Scope, item: Any
    ) -> Node:
        x1, y1, x2, y2 = bounds
        group = self.node("group", entry.key(element.name), element.name, bounds)
        shown = [child for child in element.children if child.visible_when(scope)]
        for number, child in enumerate(shown):
            if element.horizontal:
                share = (x2 - x1) // len(shown)
                place = (x1 + share * number, y1, x1 + share * (number + 1) - self.dp(4), y2)
            else:
                place = (x1, y1, x2, y1 + self.height(child, x2 - x1, scope))
                y1 = place[3] + self.dp(GAP)
            group.children += self.place(entry, child, place, frame, scope, entry.key(child.name), item)
        self.clip(group, frame)
        return group

    def list(self, entry: Entry, element: Element, bounds: Bounds, frame: Bounds, scope: Scope) -> Node:
        records, row_h = self.records(element, scope), self.row_height(element, bounds[2] - bounds[0])
        limit = max(0, row_h * len(records) - (bounds[3] - bounds[1]))
        offset = entry.offset(element.name, limit)
        node = self.node(
            "list", entry.key(element.name), element.name, bounds,
            description=element.description(scope), scrollable=limit > 0, focusable=True,
        )  # fmt: skip
        self.clip(node, frame)
        self.targets[node.key] = Target(entry, element)
        if limit:
            self.containers[node.key] = Container(entry, element.name, node.bounds, limit)
        if not records:
            name = f"{element.name}_empty"
            node.children.append(
                self.node(
                    "text",
                    entry.key(name),
                    name,
                    node.bounds,
                    text=element.empty_text(scope),
                    style="caption",
                )
            )
        for number, record in enumerate(records):
            top = bounds[1] + row_h * number - offset
            place = (bounds[0], top, bounds[2], top + row_h)
            if node.displayed and overlap(place, node.bounds) is not None and element.row is not None:
                node.children.append(self.row(entry, element, element.row, record, place, node.bounds))
        return node

    def row(
        self, entry: Entry, element: Element, row: Row, record: Any, bounds: Bounds, frame: Bounds
    ) -> Node:
        dp, scope = self.dp, self.run.scope(item=record)
        key = f"{entry.key(element.name)}[{row.key(scope)}]"
        x1, y1, x2, y2 = bounds
        node = self.node(
            "row", key, row.name, bounds,
            description=row.description(scope), clickable=bool(row.on_tap), focusable=bool(row.on_tap),
        )  # fmt: skip
        self.targets[key] = Target(entry, row=row, item=record)
        shown = [each for each in row.elements if each.visible_when(scope)]
        trailing = [each for each in shown if each.style == "trailing"]
        edge = x2 - round((x2 - x1) * 0.35) if trailing else x2 - dp(8)
        y = y1 + dp(ROW_PADDING)
        for each in shown:
            if each.style == "trailing":
                place = (edge, y1 + dp(ROW_PADDING), x2 - dp(8), y2 - dp(ROW_PADDING))
            else:
                place = (x1 + dp(8), y, edge, y + dp(TEXT_SIZES.get(each.style, TEXT_SIZE)[0]))
                y = place[3]
            child = self.plain(entry, each, f"{key}/{each.name}", place, scope, record)
            self.clip(child, frame)
            node.children.append(child)
        self.clip(node, frame)
        return node

    def plain(
        self, entry: Entry, element: Element, key: str, bounds: Bounds, scope: Scope, item: Any
    ) -> Node:
        """The node of an element without children."""
        role, run = element.role, self.run
        is_input, is_toggle = role in INPUT_ROLES, role in TOGGLE_ROLES
        node = self.node(
            role, key, element.name, bounds,
            text=element.text(scope), description=element.description(scope), style=element.style,
            hint=element.hint, enabled=bool(element.enabled_when(scope)),
        )  # fmt: skip
        if is_input:
            node.value = run.fields.get(element.name, "")
            node.text = "•" * len(node.value) if role == "password" else node.value
            node.focused = run.focus == element.name
        if is_toggle:
            node.checkable = True
            node.checked = bool(run.read(element.bind))
        node.clickable = is_input or is_toggle or role == "button" or bool(element.on_tap)
        node.focusable = node.clickable
        node.long_clickable = is_input or bool(element.on_long_press)
        self.targets[key] = Target(entry, element, item=item)
        return node

    def node(self, role: str, key: str, name: str, bounds: Bounds, **more: Any) -> Node:
        return Node(role, key, name=name, package=self.package, bounds=bounds, **more)
