// The part of the module undim._native that is for video.
#pragma once

#include <nanobind/nanobind.h>

namespace undim {

void add_video(nanobind::module_& module);

}  // namespace undim
