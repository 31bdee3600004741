// undim.pixels._native: the functions of undim/pixels/reference.py. What is done to photographs is
// here: checks that the arguments fit together, cuts the image into tiles.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "cpu.hpp"
#include "job.hpp"
#include "video_module.hpp"
#include "workers.hpp"

namespace undim {
namespace {

// Wide enough that the halo of a filter costs little, small enough that a tile stays in the cache.
constexpr std::int64_t tile_side = 128;
constexpr std::int64_t tiles_per_thread = 8;          // fewer take less time than a thread's start
constexpr std::int64_t samples_per_thread = 1 << 22;  // of a mean: the same

using AnyArray = nb::ndarray<nb::ro, nb::ndim<3>, nb::device::cpu>;
using OutArray = nb::ndarray<nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Means = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

bool run(const Job& job, const Kernel& kernel, int threads) {
    const std::int64_t side = std::max(tile_side, 8 * job.filter.radius);
    const std::int64_t across = (job.width + side - 1) / side;
    const std::int64_t tiles = across * ((job.height + side - 1) / side);
    const std::int64_t workers = std::clamp<std::int64_t>(tiles / tiles_per_thread, 1, threads);

    const std::size_t bytes = kernel.scratch_bytes(job, {0, side, 0, side});
    std::atomic<bool> good{true};
    share(tiles, workers, bytes, [&](std::int64_t i, unsigned char* scratch) {
        const std::int64_t top = i / across * side, left = i % across * side;
        const std::int64_t bottom = std::min(top + side, job.height);
        const Tile tile{top, bottom, left, std::min(left + side, job.width)};
        if (!kernel.run_tile(job, tile, scratch)) good = false;
    });
    return good;
}

bool enhance(const AnyArray& image, const OutArray& out, nb::handle curve, nb::handle filter,
             int threads, const std::string& instructions) {
    Job job{};
    job.sample = sample_of(image.dtype());
    job.curve = curve_of(curve);
    job.filter = filter_of(filter);
    check_threads(threads);
    require(image.shape(2) == 3 && image.size() > 0, "image of shape " + shape_of(image),
            "(height, width, 3) and not empty");
    require(same_shape(out, image) && out.dtype() == image.dtype(),
            "out of shape " + shape_of(out) + " for an image of " + shape_of(image),
            "the image's shape and dtype");

    const auto bytes = static_cast<std::ptrdiff_t>(image.itemsize());
    job.in = static_cast<const unsigned char*>(image.data());
    job.row_stride = image.stride(0) * bytes;
    job.pixel_stride = image.stride(1) * bytes;
    job.channel_stride = image.stride(2) * bytes;
    job.out = static_cast<unsigned char*>(out.data());
    job.height = extent(image, 0);
    job.width = extent(image, 1);

    const Kernel& kernel = instruction_set(instructions).kernel;
    nb::gil_scoped_release release;
    return run(job, kernel, threads);
}

void box_means(const AnyArray& samples, const Means& out, float unit, int threads,
               const std::string& instructions) {
    Boxes job{};
    job.sample = sample_of(samples.dtype());
    job.in = static_cast<const unsigned char*>(samples.data());
    job.row_stride = samples.stride(0) * static_cast<std::ptrdiff_t>(samples.itemsize());
    job.height = extent(samples, 0);
    job.width = extent(samples, 1);
    job.channels = extent(samples, 2);
    job.out = out.data();
    job.rows = extent(out, 0);
    job.columns = extent(out, 1);
    job.unit = unit;
    check_threads(threads);
    require((job.channels == 1 || samples.stride(2) == 1) &&
                (job.width == 1 || samples.stride(1) == job.channels),
            "samples with strides between those of a row", "them side by side");
    require(out.size() > 0 && job.rows <= job.height && job.columns <= job.width &&
                extent(out, 2) == job.channels,
            "out of shape " + shape_of(out) + " for samples of " + shape_of(samples),
            "as many channels, and 1 to as many rows and columns");
    require(unit > 0.0f, "unit=" + std::to_string(unit), "a number above 0");

    const Kernel& kernel = instruction_set(instructions).kernel;
    const std::int64_t n = job.width * job.channels;
    const std::int64_t workers =
        std::clamp<std::int64_t>(n * job.height / samples_per_thread, 1, threads);
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
    using namespace nanobind::literals;
    module.def("enhance", &undim::enhance, "image"_a.noconvert(), "out"_a.noconvert(), "curve"_a,
               "filter"_a, "threads"_a, "instructions"_a = "",
               "Filter and walk the curve from image into out; False where a float sample is out "
               "of range.");
    module.def("box_means", &undim::box_means, "samples"_a.noconvert(), "out"_a.noconvert(),
               "unit"_a, "threads"_a, "instructions"_a = "",
               "Means over boxes of samples (H, W, C), whose rows are contiguous, into out "
               "(h, w, C), in multiples of unit.");
    undim::add_video(module);
    module.def("instruction_sets", &undim::instruction_set_names,
               "What this processor can run, the fastest first.");
}
