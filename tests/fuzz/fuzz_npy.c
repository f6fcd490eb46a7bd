/* A NumPy array file. */
#include "helper_fuzz.h"
#include "files/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    npy_file file;
    if (!fuzz_done(npy_open(fuzz_log(), fuzz_file("params_0.npy", data, size), &file))) return 0;
    REQUIRE(file.count <= size / 4);
    fuzz_touch(file.data, 4 * (size_t)file.count);
    npy_close(&file);
    return 0;
}
