// The stage: a picture that can be zoomed and moved, and the border between before and after.
//
// view: { scale, x, y } in canvas pixels; divider: 0 to 1 across the visible part of the picture.

const NEAR = 28; // CSS pixels around the divider that take hold of it
const STEPS = { "-": 0.8, "_": 0.8, "+": 1.25, "=": 1.25 };
const DIVIDER = {
  ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1,
};
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Viewer {
  scene = {}; // { picture: { data, width, height }, filtered, curves, denoise }
  strength = 1;
  #view = { scale: 1, x: 0, y: 0 };
  #fitted = true;
  #divider = 0.5;
  #pointers = new Map();
  #grip = null;
  #frame = 0;

  /** `renderer` draws; `stage` holds the canvas, the divider and the zoom buttons. */
  constructor(stage, renderer) {
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.handle = stage.querySelector("[role=slider]");
    this.renderer = renderer;
    new ResizeObserver(() => this.#resize()).observe(stage);
    this.#listen();
  }

  show(scene) {
    const changed = scene.picture !== this.scene.picture;
    this.scene = scene;
    if (scene.picture) this.canvas.hidden = false;
    if (changed) this.fit();
    this.redraw();
  }

  fit() {
    this.#fitted = true;
    const { picture } = this.scene, { width, height } = this.canvas;
    if (!picture) return;
    const scale = Math.min(width / picture.width, height / picture.height, 8);
    const [x, y] = [width - picture.width * scale, height - picture.height * scale];
    this.#view = { scale, x: x / 2, y: y / 2 };
    this.redraw();
  }

  /** Scales around a point of the canvas (default: its middle). */
  zoom(factor, px = this.canvas.width / 2, py = this.canvas.height / 2) {
    const { picture } = this.scene, { scale, x, y } = this.#view;
    if (!picture) return;
    const whole = Math.min(this.canvas.width / picture.width, this.canvas.height / picture.height);
    const next = Math.min(Math.max(scale * factor, Math.min(whole, 1)), 16), ratio = next / scale;
    this.#move({ scale: next, x: px - (px - x) * ratio, y: py - (py - y) * ratio });
  }

  oneToOne(px, py) {
    this.zoom(1 / this.#view.scale, px, py);
  }

  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.scene.picture) return; // the last one stays in sight until the next is there
      const [left, right] = this.#visible(), divider = left + (right - left) * this.#divider;
      this.renderer.draw(this.scene, { ...this.#view, divider }, this.strength);
      const percent = Math.round(100 * this.#divider);
      this.handle.style.left = `${divider / devicePixelRatio}px`;
      this.handle.setAttribute("aria-valuenow", percent);
      const words = `left ${percent} % before, right ${100 - percent} % after`;
      this.handle.setAttribute("aria-valuetext", words);
    });
  }

  #move(view) {
    const { picture } = this.scene, { width, height } = this.canvas;
    const keep = (at, size, room) =>
      Math.round(size <= room ? (room - size) / 2 : Math.min(Math.max(at, room - size), 0));
    this.#fitted = false;
    this.#view = {
      scale: view.scale,
      x: keep(view.x, picture.width * view.scale, width),
      y: keep(view.y, picture.height * view.scale, height),
    };
    this.redraw();
  }

  /** Left and right end of the picture's visible part on the canvas. */
  #visible() {
    const { x, scale } = this.#view;
    return [Math.max(0, x), Math.min(this.canvas.width, x + this.scene.picture.width * scale)];
  }

  #setDivider(fraction) {
    this.#divider = Math.min(Math.max(fraction, 0), 1);
    this.redraw();
  }

  #resize() {
    const { width, height } = this.stage.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    if (!this.scene.picture) return;
    if (this.#fitted) this.fit();
    else this.#move(this.#view);
  }

  #listen() {
    const { stage, handle, canvas } = this;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => this.#pointers.delete(event.pointerId));
    }
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), ...this.#point(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => {
      if (this.#fitted) this.oneToOne(...this.#point(event));
      else this.fit();
    });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    handle.addEventListener("keydown", (event) => {
      const by = DIVIDER[event.key];
      if (!by) return;
      event.preventDefault();
      this.#setDivider(this.#divider + by);
    });
    const acts = {
      in: () => this.zoom(1.5),
      out: () => this.zoom(1 / 1.5),
      fit: () => this.fit(),
      one: () => this.oneToOne(),
    };
    for (const button of stage.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", acts[button.dataset.zoom]);
    }
  }

  #key(event) {
    const { x, y } = this.#view, arrow = ARROWS[event.key], step = 60 * devicePixelRatio;
    if (!this.scene.picture || event.ctrlKey || event.metaKey || event.altKey) return;
    if (STEPS[event.key]) this.zoom(STEPS[event.key]);
    else if (event.key === "0") this.fit();
    else if (event.key === "1") this.oneToOne();
    else if (arrow) this.#move({ ...this.#view, x: x + arrow[0] * step, y: y + arrow[1] * step });
    else return;
    event.preventDefault();
  }

  #point(event) {
    const box = this.stage.getBoundingClientRect();
    const place = [event.clientX - box.left, event.clientY - box.top];
    return place.map((at) => at * devicePixelRatio);
  }

  #down(event) {
    if (!this.scene.picture || event.target.closest("button")) return;
    const point = this.#point(event), [left, right] = this.#visible();
    this.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, point);
    const away = Math.abs(point[0] - left - (right - left) * this.#divider);
    const atDivider = away < NEAR * devicePixelRatio;
    const whole = right - left >= this.scene.picture.width * this.#view.scale - 1;
    this.#grip = atDivider || (whole && this.#fitted) ? "divider" : "picture";
    this.#drag(event);
  }

  #drag(event) {
    const from = this.#pointers.get(event.pointerId);
    if (!from) return;
    const to = this.#point(event);
    const other = [...this.#pointers.keys()].find((id) => id !== event.pointerId);
    this.#pointers.set(event.pointerId, to);
    if (other !== undefined) {
      const pivot = this.#pointers.get(other);
      const span = (p) => Math.hypot(p[0] - pivot[0], p[1] - pivot[1]);
      this.zoom(span(to) / Math.max(span(from), 1), ...pivot);
    } else if (this.#grip === "divider") {
      const [left, right] = this.#visible();
      this.#setDivider((to[0] - left) / (right - left));
    } else {
      const { scale, x, y } = this.#view;
      this.#move({ scale, x: x + to[0] - from[0], y: y + to[1] - from[1] });
    }
  }
}
