// The work on one tile: load -> [guided filter] -> curve -> round and store, row by row, all in the cache.
//
// Compiled once per instruction set (UNDIM_ISA names it). Everything here is in an anonymous namespace and no
// inline function of the standard library is used: the linker could otherwise hand code with wide instructions
// to callers that must run everywhere.
//
// Rows stay interleaved (R G B R G B ...): every loop below runs over plain contiguous floats, which compilers
// vectorise. The maps are expanded to the tile's width once per map row, not once per image row; between two map
// rows the coefficient of a sample is base + f * slope.

#include "job.hpp"

#define UNDIM_JOIN_(a, b) a##b
#define UNDIM_JOIN(a, b) UNDIM_JOIN_(a, b)
#define UNDIM_TEXT_(a) #a
#define UNDIM_TEXT(a) UNDIM_TEXT_(a)

namespace undim {
namespace {

using Index = std::int64_t;

Index mirror(Index i, Index size) {  // ... 1 0 | 0 1 ... size-1 | size-1 ...
    i %= 2 * size;
    if (i < 0) i += 2 * size;
    return i < size ? i : 2 * size - 1 - i;
}

// Hands out pieces of the scratch memory; without memory it only counts.
struct Arena {
    float* memory;
    std::size_t used = 0;

    float* take(Index floats) {
        float* piece = memory ? memory + used : nullptr;
        used += (static_cast<std::size_t>(floats) + 15) / 16 * 16;
        return piece;
    }
};

template <typename T>
struct Range;
template <>
struct Range<std::uint8_t> {
    static constexpr float maximum = 255.0f;
};
template <>
struct Range<std::uint16_t> {
    static constexpr float maximum = 65535.0f;
};

template <typename T>
bool to_unit(const T* __restrict in, float* __restrict x, Index n) {
    constexpr float scale = 1.0f / Range<T>::maximum;  // rounds so that maximum * scale is exactly 1
    for (Index j = 0; j < n; ++j) x[j] = static_cast<float>(in[j]) * scale;
    return true;
}

template <>
bool to_unit<float>(const float* __restrict in, float* __restrict x, Index n) {
    int bad = 0;
    for (Index j = 0; j < n; ++j) {
        const float v = in[j];
        bad |= !(v >= -tolerance && v <= 1.0f + tolerance);
        const float low = v > 0.0f ? v : 0.0f;
        x[j] = low < 1.0f ? low : 1.0f;
    }
    return bad == 0;
}

// x is the sample before the curve: where it was below the maximum, the result stays below it.
template <typename T>
void from_unit(const float* __restrict v, const float* __restrict x, T* __restrict out, Index n) {
    constexpr float maximum = Range<T>::maximum;
    constexpr std::int32_t highest = static_cast<std::int32_t>(maximum);
    for (Index j = 0; j < n; ++j) {
        const std::int32_t limit = x[j] < 1.0f ? highest - 1 : highest;
        const std::int32_t rounded = static_cast<std::int32_t>(v[j] * maximum + 0.5f);
        out[j] = static_cast<T>(rounded < limit ? rounded : limit);
    }
}

template <>
void from_unit<float>(const float* __restrict v, const float* __restrict x, float* __restrict out, Index n) {
    constexpr float below = 1.0f - 0x1p-24f;
    for (Index j = 0; j < n; ++j) {
        const float limit = x[j] < 1.0f ? below : 1.0f;
        out[j] = v[j] < limit ? v[j] : limit;
    }
}

// Load pixels [left, right) of a row, scaled to [0, 1]; beyond the image's sides they are mirrored.
template <typename T>
bool load(const Job& job, Index y, Index left, Index right, float* x, T* strided) {
    const Index from = left > 0 ? left : 0;
    const Index to = right < job.width ? right : job.width;
    const unsigned char* row = job.in + y * job.row_stride + from * job.pixel_stride;
    const Index n = 3 * (to - from);
    const T* samples = reinterpret_cast<const T*>(row);
    if (job.channel_stride != sizeof(T) || job.pixel_stride != 3 * sizeof(T)) {
        for (Index j = 0; j < n; j += 3, row += job.pixel_stride)
            for (Index c = 0; c < 3; ++c)
                strided[j + c] = *reinterpret_cast<const T*>(row + c * job.channel_stride);
        samples = strided;
    }
    const bool good = to_unit(samples, x + 3 * (from - left), n);
    const auto fill = [&](Index i) {
        for (Index c = 0; c < 3; ++c) x[3 * (i - left) + c] = x[3 * (mirror(i, job.width) - left) + c];
    };
    for (Index i = left; i < from; ++i) fill(i);
    for (Index i = to; i < right; ++i) fill(i);
    return good;
}

// The self-guided filter (He, Sun, Tang 2013), fed row by row, with running sums down the columns.
struct Filter {
    Index radius, window, width;  // width of the tile in samples
    float eps;
    float *x, *a, *b;                      // the last `window` rows
    float *sum_x, *sum_xx, *sum_a, *sum_b;  // their sums
    float *box_1, *box_2, *pair_1, *pair_2;

    Filter(const Job& job, Index pixels, Arena& arena)
        : radius(job.radius), window(2 * radius + 1), width(3 * pixels), eps(job.eps) {
        x = arena.take(window * outer());
        a = arena.take(window * inner());
        b = arena.take(window * inner());
        sum_x = arena.take(outer());
        sum_xx = arena.take(outer());
        sum_a = arena.take(inner());
        sum_b = arena.take(inner());
        box_1 = arena.take(outer());
        box_2 = arena.take(outer());
        pair_1 = arena.take(outer());
        pair_2 = arena.take(outer());
    }

    Index inner() const { return width + 6 * radius; }
    Index outer() const { return width + 12 * radius; }

    void clear() {
        for (Index j = 0; j < window * outer(); ++j) x[j] = 0;
        for (Index j = 0; j < window * inner(); ++j) a[j] = b[j] = 0;
        for (Index j = 0; j < outer(); ++j) sum_x[j] = sum_xx[j] = 0;
        for (Index j = 0; j < inner(); ++j) sum_a[j] = sum_b[j] = 0;
    }

    // The row i of a ring, counted from the tile's first; it holds what came `window` rows before.
    float* x_row(Index i) const { return x + i % window * outer(); }

    void add_row(Index i, const float* __restrict fresh) {
        float* __restrict old = x_row(i);
        float* __restrict s = sum_x;
        float* __restrict ss = sum_xx;
        for (Index j = 0; j < outer(); ++j) {
            s[j] += fresh[j] - old[j];
            ss[j] += fresh[j] * fresh[j] - old[j] * old[j];
            old[j] = fresh[j];
        }
    }

    // From the sums around row i - radius: that row's a and b.
    void add_coefficients(Index i) {
        const Index n = inner();
        sum_across(sum_x, box_1, n);
        sum_across(sum_xx, box_2, n);
        const float share = 1.0f / static_cast<float>(window * window);
        const float noise = eps;
        float* __restrict s = box_1;
        float* __restrict ss = box_2;
        for (Index j = 0; j < n; ++j) {
            const float mean = s[j] * share;
            const float difference = ss[j] * share - mean * mean;
            const float variance = difference > 0.0f ? difference : 0.0f;
            ss[j] = variance / (variance + noise);
            s[j] = mean - mean * ss[j];
        }
        slide(sum_a, a + i % window * n, box_2, n);
        slide(sum_b, b + i % window * n, box_1, n);
    }

    // A running sum takes in a fresh row and gives up the one that falls out of the window.
    static void slide(float* __restrict sum, float* __restrict old, const float* __restrict fresh, Index n) {
        for (Index j = 0; j < n; ++j) {
            sum[j] += fresh[j] - old[j];
            old[j] = fresh[j];
        }
    }

    // box(a) x + box(b), for the row whose samples before the filter are x
    void result(const float* __restrict before, float* __restrict v) {
        sum_across(sum_a, box_1, width);
        sum_across(sum_b, box_2, width);
        const float share = 1.0f / static_cast<float>(window * window);
        const float* __restrict sa = box_1;
        const float* __restrict sb = box_2;
        for (Index j = 0; j < width; ++j) {
            const float y = (sa[j] * before[j] + sb[j]) * share;
            const float low = y > 0.0f ? y : 0.0f;
            v[j] = low < 1.0f ? low : 1.0f;
        }
    }

    // total[j] = s[j] + s[j + 3] + ... + s[j + 3 (window - 1)], from sums over 2, 4, 8 ... pixels
    void sum_across(const float* s, float* __restrict total, Index n) {
        for (Index j = 0; j < n; ++j) total[j] = s[j];
        Index length = n + 3 * (window - 1);
        Index done = 1;
        float *to = pair_1, *next = pair_2;
        for (Index span = 1; 2 * span <= window; span *= 2) {
            length -= 3 * span;
            add_shifted(s, s + 3 * span, to, length);
            if (window & (2 * span)) {
                accumulate(to + 3 * done, total, n);
                done += 2 * span;
            }
            s = to;
            to = next;
            next = const_cast<float*>(s);
        }
    }

    static void add_shifted(const float* p, const float* q, float* __restrict to, Index n) {
        for (Index j = 0; j < n; ++j) to[j] = p[j] + q[j];
    }

    static void accumulate(const float* __restrict p, float* __restrict to, Index n) {
        for (Index j = 0; j < n; ++j) to[j] += p[j];
    }
};

// Where a cell falls among coarser ones (or finer): half-pixel centres, edges clamped.
struct Position {
    Index lower, upper;
    float weight;  // of the upper

    Position(Index target, Index targets, Index sources) {
        const double scale = static_cast<double>(sources) / static_cast<double>(targets);
        const double last = static_cast<double>(sources - 1);
        double p = (static_cast<double>(target) + 0.5) * scale - 0.5;
        p = p < 0 ? 0 : p > last ? last : p;
        lower = static_cast<Index>(p);
        upper = lower + 1 < sources ? lower + 1 : lower;
        weight = static_cast<float>(p - static_cast<double>(lower));
    }
};

// The curve maps, expanded to the width of a tile: the coefficients of an image row are base + f * slope.
struct Curves {
    const Job& job;
    Index pixels, width;            // of the tile; width in samples
    Index map_row = -1;             // the one that base holds
    float *base, *slope;            // (steps, width) each
    float* weight;                  // of each pixel, between its two map columns
    Index *run_end, *run_column;    // runs of pixels that lie between the same two map columns
    Index runs = 0;

    Curves(const Job& j, Index n, Arena& arena) : job(j), pixels(n), width(3 * n) {
        base = arena.take(job.steps * width);
        slope = arena.take(job.steps * width);
        weight = arena.take(pixels);
        run_end = reinterpret_cast<Index*>(arena.take(2 * pixels));
        run_column = reinterpret_cast<Index*>(arena.take(2 * pixels));
    }

    void start_at(Index left) {
        for (Index x = 0; x < pixels; ++x) {
            const Position p(left + x, job.width, job.map_width);
            weight[x] = p.weight;
            if (runs == 0 || run_column[runs - 1] != p.lower) run_column[runs++] = p.lower;
            run_end[runs - 1] = x + 1;
        }
    }

    // base moves on by slope, and slope becomes the way from there to map row `row`.
    void advance_to(Index row) {
        for (Index j = 0; j < job.steps * width; ++j) base[j] += slope[j];
        const Index plane = job.map_height * job.map_width;
        const Index next_channel = job.map_channels == 3 ? plane : 0;
        for (Index k = 0; k < job.steps; ++k) {
            const float* map = job.maps + k * job.map_channels * plane + row * job.map_width;
            Index x = 0;
            for (Index i = 0; i < runs; ++i) {
                const Index column = run_column[i];
                const Index next = column + 1 < job.map_width ? column + 1 : column;
                const float r = map[column], r_step = map[next] - r;
                const float g = map[next_channel + column], g_step = map[next_channel + next] - g;
                const float b = map[2 * next_channel + column], b_step = map[2 * next_channel + next] - b;
                float* __restrict to = slope + k * width;
                for (; x < run_end[i]; ++x) {
                    to[3 * x] = r + weight[x] * r_step;
                    to[3 * x + 1] = g + weight[x] * g_step;
                    to[3 * x + 2] = b + weight[x] * b_step;
                }
            }
        }
        for (Index j = 0; j < job.steps * width; ++j) slope[j] -= base[j];
    }

    // Walk the steps on row y of the image; v holds the tile's samples in [0, 1].
    void walk(Index y, float* __restrict v) {
        const Position p(y, job.height, job.map_height);
        if (p.lower != map_row) {
            if (map_row < 0 || p.lower != map_row + 1) {
                for (Index j = 0; j < job.steps * width; ++j) base[j] = slope[j] = 0;
                advance_to(p.lower);
            }
            advance_to(p.upper);
            map_row = p.lower;
        }
        for (Index k = 0; k < job.iterations; ++k) {
            const Index step = job.steps == 1 ? 0 : k * width;
            const float* __restrict e = base + step;
            const float* __restrict d = slope + step;
            for (Index j = 0; j < width; ++j) {
                const float a = e[j] + p.weight * d[j];
                v[j] += a * (v[j] - v[j] * v[j]);
            }
        }
    }
};

template <typename T>
bool run(const Job& job, const Tile& tile, float* scratch) {
    const Index halo = 2 * job.radius;
    const Index pixels = tile.right - tile.left;
    Arena arena{scratch};
    float* fresh = arena.take(3 * (pixels + 2 * halo));
    float* strided = arena.take(3 * (pixels + 2 * halo));
    float* v = arena.take(3 * pixels);
    Filter filter(job, pixels, arena);
    Curves curves(job, pixels, arena);
    curves.start_at(tile.left);
    if (job.radius) filter.clear();

    bool good = true;
    const Index rows = tile.bottom - tile.top + 2 * halo;
    for (Index i = 0; i < rows; ++i) {  // row i of the tile with its halo
        good &= load(job, mirror(tile.top - halo + i, job.height), tile.left - halo, tile.right + halo, fresh,
                     reinterpret_cast<T*>(strided));
        const float* before = fresh;
        if (job.radius) {
            filter.add_row(i, fresh);
            if (i >= halo) filter.add_coefficients(i);
            if (i < 2 * halo) continue;
            before = filter.x_row(i - halo) + 3 * halo;
            filter.result(before, v);
        } else {
            for (Index j = 0; j < 3 * pixels; ++j) v[j] = before[j];
        }
        const Index y = tile.top + i - 2 * halo;
        if (job.iterations) curves.walk(y, v);
        from_unit(v, before, reinterpret_cast<T*>(job.out) + 3 * (y * job.width + tile.left), 3 * pixels);
    }
    return good;
}

bool run_tile(const Job& job, const Tile& tile, float* scratch) {
    switch (job.sample) {
        case Sample::u8: return run<std::uint8_t>(job, tile, scratch);
        case Sample::u16: return run<std::uint16_t>(job, tile, scratch);
        default: return run<float>(job, tile, scratch);
    }
}

std::size_t scratch_floats(const Job& job, const Tile& tile) {
    const Index pixels = tile.right - tile.left;
    Arena arena{nullptr};
    arena.take(3 * (pixels + 4 * job.radius));
    arena.take(3 * (pixels + 4 * job.radius));
    arena.take(3 * pixels);
    Filter(job, pixels, arena);
    Curves(job, pixels, arena);
    return arena.used;
}

}  // namespace

extern const Kernel UNDIM_JOIN(kernel_, UNDIM_ISA);
const Kernel UNDIM_JOIN(kernel_, UNDIM_ISA) = {UNDIM_TEXT(UNDIM_ISA), run_tile, scratch_floats};

}  // namespace undim
