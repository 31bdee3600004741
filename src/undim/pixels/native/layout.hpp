// How the coefficients of a frame are laid out, which chooses the loop that walks its curve. Part
// of video.cpp, compiled once per instruction set.
#pragma once

#include "job.hpp"

namespace undim {
namespace {

// What the coefficients of a picture depend on.
enum class Layout {
    constant,   // step and channel alone
    sliced,     // place and brightness; shared by steps and channels
    shared,     // place and step; shared by the channels
    of_planes,  // place, step and channel
};

Layout layout_of(const Curve& curve) {
    if (curve.levels > 1) return Layout::sliced;
    if (curve.height * curve.width == 1) return Layout::constant;
    return curve.channels == 1 ? Layout::shared : Layout::of_planes;
}

// Whether they are interpolated from maps, and not sliced.
bool interpolated(Layout layout) {
    return layout == Layout::shared || layout == Layout::of_planes;
}

}  // namespace
}  // namespace undim
