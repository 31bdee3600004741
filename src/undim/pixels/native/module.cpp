// undim._native: checks nothing a Python caller could not have checked, cuts the image into tiles.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu.hpp"
#include "film_module.hpp"
#include "job.hpp"
#include "workers.hpp"

namespace nb = nanobind;

namespace undim {
namespace {

// Wide enough that the halo of a filter costs little, small enough that a tile's work stays in the cache.
constexpr std::int64_t tile_width = 128, tile_height = 128;
constexpr std::int64_t tiles_per_thread = 8;  // fewer take less time than the start of a thread
constexpr std::int64_t samples_per_thread = 1 << 22;  // of a mean: the same

bool run(const Job& job, const Kernel& kernel, int threads) {
    const std::int64_t width = std::max(tile_width, 8 * job.radius);
    const std::int64_t height = std::max(tile_height, 8 * job.radius);
    const std::int64_t across = (job.width + width - 1) / width;
    const std::int64_t tiles = across * ((job.height + height - 1) / height);
    const std::int64_t workers = std::clamp<std::int64_t>(tiles / tiles_per_thread, 1, threads);

    const std::size_t bytes = kernel.scratch_bytes(job, {0, height, 0, width});
    std::atomic<bool> good{true};
    share(tiles, workers, bytes, [&](std::int64_t i, unsigned char* scratch) {
        const std::int64_t top = i / across * height, left = i % across * width;
        const Tile tile{top, std::min(top + height, job.height), left, std::min(left + width, job.width)};
        if (!kernel.run_tile(job, tile, scratch)) good = false;
    });
    return good;
}

Sample sample_of(nb::dlpack::dtype dtype) {
    if (dtype == nb::dtype<std::uint8_t>()) return Sample::u8;
    if (dtype == nb::dtype<std::uint16_t>()) return Sample::u16;
    if (dtype == nb::dtype<float>()) return Sample::f32;
    throw nb::type_error("samples must be uint8, uint16 or float32");
}

using AnyArray = nb::ndarray<nb::ro, nb::ndim<3>, nb::device::cpu>;
using OutArray = nb::ndarray<nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Means = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Maps = nb::ndarray<const float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

bool enhance(const AnyArray& image, const OutArray& out, const Maps& maps, std::int64_t iterations, std::int64_t radius,
             float eps, int threads, const std::string& instructions, float chroma_eps) {
    Job job{};
    job.sample = sample_of(image.dtype());
    const bool same = out.dtype() == image.dtype() && out.shape(0) == image.shape(0) && out.shape(1) == image.shape(1) &&
                      out.shape(2) == image.shape(2);
    const bool steps_fit = maps.shape(0) == 1 || maps.shape(0) == static_cast<std::size_t>(iterations);
    const bool channels_fit = maps.shape(1) == 1 || maps.shape(1) == 3;
    if (!same || image.shape(2) != 3 || !steps_fit || !channels_fit || image.size() == 0 || maps.size() == 0 ||
        iterations < 0 || radius < 0 || (radius > 0 && !(eps > 0)) || !(chroma_eps >= 0) || threads < 1)
        throw nb::value_error("arguments do not fit together");

    const auto bytes = static_cast<std::ptrdiff_t>(image.itemsize());
    job.in = static_cast<const unsigned char*>(image.data());
    job.row_stride = image.stride(0) * bytes;
    job.pixel_stride = image.stride(1) * bytes;
    job.channel_stride = image.stride(2) * bytes;
    job.out = static_cast<unsigned char*>(out.data());
    job.height = static_cast<std::int64_t>(image.shape(0));
    job.width = static_cast<std::int64_t>(image.shape(1));
    job.iterations = iterations;
    job.maps = maps.data();
    job.steps = static_cast<std::int64_t>(maps.shape(0));
    job.map_channels = static_cast<std::int64_t>(maps.shape(1));
    job.map_height = static_cast<std::int64_t>(maps.shape(2));
    job.map_width = static_cast<std::int64_t>(maps.shape(3));
    job.radius = radius;
    job.eps = eps;
    job.chroma_eps = chroma_eps;

    const Kernel& kernel = instruction_set(instructions).kernel;
    nb::gil_scoped_release release;
    return run(job, kernel, threads);
}

void box_means(const AnyArray& samples, const Means& out, float unit, int threads, const std::string& instructions) {
    Boxes job{};
    job.sample = sample_of(samples.dtype());
    job.in = static_cast<const unsigned char*>(samples.data());
    job.row_stride = samples.stride(0) * static_cast<std::ptrdiff_t>(samples.itemsize());
    job.height = static_cast<std::int64_t>(samples.shape(0));
    job.width = static_cast<std::int64_t>(samples.shape(1));
    job.channels = static_cast<std::int64_t>(samples.shape(2));
    job.out = out.data();
    job.rows = static_cast<std::int64_t>(out.shape(0));
    job.columns = static_cast<std::int64_t>(out.shape(1));
    job.unit = unit;
    const bool side_by_side = (job.channels == 1 || samples.stride(2) == 1) &&
                              (job.width == 1 || samples.stride(1) == job.channels);
    if (!side_by_side || out.size() == 0 || job.rows > job.height || job.columns > job.width ||
        static_cast<std::int64_t>(out.shape(2)) != job.channels || !(unit > 0) || threads < 1)
        throw nb::value_error("arguments do not fit together");

    const Kernel& kernel = instruction_set(instructions).kernel;
    const std::int64_t n = job.width * job.channels;
    const std::int64_t workers = std::clamp<std::int64_t>(n * job.height / samples_per_thread, 1, threads);
    nb::gil_scoped_release release;
    share(job.rows, workers, static_cast<std::size_t>(n) * sizeof(float),
          [&](std::int64_t row, unsigned char* scratch) { kernel.box_means(job, row, scratch); });
}

std::vector<std::string> instruction_set_names() {
    std::vector<std::string> names;
    for (const InstructionSet& set : instruction_sets()) names.emplace_back(set.name);
    return names;
}

}  // namespace
}  // namespace undim

NB_MODULE(_native, module) {
    using namespace nb::literals;
    module.def("enhance", &undim::enhance, "image"_a.noconvert(), "out"_a.noconvert(), "maps"_a.noconvert(), "iterations"_a, "radius"_a, "eps"_a, "threads"_a,
               "instructions"_a = "", "chroma_eps"_a = 0.0f,
               "Filter (unless radius is 0) and walk the curve (unless iterations is 0) from image into out; False where "
               "a float sample is NaN or outside of [0, 1].");
    module.def("box_means", &undim::box_means, "samples"_a.noconvert(), "out"_a.noconvert(), "unit"_a, "threads"_a,
               "instructions"_a = "", "Means over boxes of (H, W, C), whose rows are contiguous, into (h, w, C) float32.");
    undim::add_film(module);
    module.def("instruction_sets", &undim::instruction_set_names, "What this processor can run, the fastest first.");
}
