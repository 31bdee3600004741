// Before and after on the graphics processor: the curve is applied to every pixel of the screen, so
// that a slider answers at once. Maps are fetched and interpolated by hand, because float textures
// need not be filterable. A layer of their texture is a step or, of maps at levels of brightness,
// a level.

import { planeOf, stepCount } from "./curves.js";

const VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2DArray;
uniform sampler2D before, after;
uniform sampler2DArray maps;
uniform vec2 size, origin;
uniform float scale, height, divider, strength;
uniform int iterations, steps, levels;
uniform bool roots; // whether "after" holds the roots of its samples
out vec4 colour;

vec3 at(int x, int y, int layer) {
  return clamp(texelFetch(maps, ivec3(x, y, layer), 0).rgb * strength, -1.0, 1.0);
}

vec3 interpolated(vec2 uv, int layer) {
  ivec2 last = textureSize(maps, 0).xy - 1;
  vec2 position = clamp(uv * vec2(last + 1) - 0.5, vec2(0.0), vec2(last));
  ivec2 i = ivec2(position), j = min(i + 1, last);
  vec2 f = position - vec2(i);
  vec3 upper = mix(at(i.x, i.y, layer), at(j.x, i.y, layer), f.x);
  vec3 lower = mix(at(i.x, j.y, layer), at(j.x, j.y, layer), f.x);
  return mix(upper, lower, f.y);
}

vec3 sliced(vec2 uv, float guide) {
  float last = float(levels - 1), z = min(floor(sqrt(guide) * last), last - 1.0);
  float f = (guide * last * last - z * z) / (2.0 * z + 1.0);
  return mix(interpolated(uv, int(z)), interpolated(uv, int(z) + 1), f);
}

void main() {
  vec2 screen = vec2(gl_FragCoord.x, height - gl_FragCoord.y);
  vec2 uv = (screen - origin) / (scale * size);
  vec4 dark = texture(before, uv);
  vec3 x = texture(after, uv).rgb;
  if (roots) x *= x;
  if (uv != clamp(uv, 0.0, 1.0)) { colour = vec4(0.0); return; }
  if (screen.x < divider || strength == 0.0 || iterations == 0) {
    colour = vec4(dark.rgb * dark.a, dark.a);
    return;
  }
  vec3 a;
  if (levels > 1) a = sliced(uv, max(max(x.r, x.g), x.b));
  for (int k = 0; k < iterations; k++) {
    if (levels == 1 && k < steps) a = interpolated(uv, k);
    x += a * x * (1.0 - x);
  }
  x = mix(min(x, 254.0 / 255.0), x, step(1.0, dark.rgb));
  colour = vec4(x * dark.a, dark.a);
}`;

const UNIFORMS = [
  "before", "after", "maps", "size", "origin", "scale", "height", "divider", "strength",
  "iterations", "steps", "levels", "roots",
];

/**
 * Draws { picture, filtered, curves } (see viewer.js) on a canvas; null where the browser has no
 * WebGL 2.
 */
export function glRenderer(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  let uniforms, before, filtered, maps, scene = {}, uploaded = {};

  function begin() {
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    const linked = gl.getProgramParameter(program, gl.LINK_STATUS);
    if (!linked) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    const located = UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]);
    uniforms = Object.fromEntries(located);
    [before, filtered, maps] = [0, 1, 2].map(() => gl.createTexture());
    gl.uniform1i(uniforms.before, 0);
    gl.uniform1i(uniforms.maps, 2);
    uploaded = {};
  }

  function bind(unit, target, texture) {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(target, texture);
  }

  function uploadPixels(unit, texture, internal, type, data, { width, height }) {
    bind(unit, gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, gl.RGBA, type, data);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.generateMipmap(gl.TEXTURE_2D);
  }

  function uploadMaps(curves) {
    const { data, levels, width, height } = curves, size = width * height;
    const steps = stepCount(curves), layers = steps * levels;
    const texels = new Float32Array(4 * layers * size);
    for (let layer = 0; layer < layers; layer++) {
      for (let c = 0; c < 3; c++) {
        const from = (levels > 1 ? layer : planeOf(curves, layer, c)) * size;
        for (let i = 0; i < size; i++) texels[4 * (layer * size + i) + c] = data[from + i];
      }
    }
    const target = gl.TEXTURE_2D_ARRAY;
    bind(2, target, maps);
    gl.texImage3D(target, 0, gl.RGBA32F, width, height, layers, 0, gl.RGBA, gl.FLOAT, texels);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.uniform1i(uniforms.steps, steps);
    gl.uniform1i(uniforms.levels, levels);
  }

  function upload() {
    const { picture, curves } = scene;
    if (picture !== uploaded.picture) {
      uploadPixels(0, before, gl.RGBA8, gl.UNSIGNED_BYTE, picture.data, picture);
    }
    if (scene.filtered && scene.filtered !== uploaded.filtered) {
      const type = gl.UNSIGNED_INT_2_10_10_10_REV;
      uploadPixels(1, filtered, gl.RGB10_A2, type, scene.filtered, picture);
    }
    if (curves && curves !== uploaded.curves) uploadMaps(curves);
    uploaded = { ...scene };
    gl.uniform1i(uniforms.after, scene.filtered ? 1 : 0);
    gl.uniform1i(uniforms.roots, scene.filtered ? 1 : 0);
    gl.uniform1i(uniforms.iterations, curves ? curves.iterations : 0);
  }

  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", begin);
  begin();
  const enough = matchMedia("(pointer: coarse)").matches ? 4096 : 8192;
  return {
    longSide: Math.min(gl.getParameter(gl.MAX_TEXTURE_SIZE), enough),
    draw(newScene, { scale, x, y, divider }, strength) {
      scene = newScene;
      if (gl.isContextLost()) return;
      upload();
      for (const [unit, texture] of [[0, before], [1, filtered]]) {
        bind(unit, gl.TEXTURE_2D, texture);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, scale >= 3 ? gl.NEAREST : gl.LINEAR);
      }
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.uniform2f(uniforms.size, scene.picture.width, scene.picture.height);
      gl.uniform2f(uniforms.origin, x, y);
      gl.uniform1f(uniforms.scale, scale);
      gl.uniform1f(uniforms.height, canvas.height);
      gl.uniform1f(uniforms.divider, divider);
      gl.uniform1f(uniforms.strength, strength);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    },
  };
}
