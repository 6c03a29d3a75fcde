// Chooses, when the engine starts, which of the variants of llama.cpp's processor code computes: the one with the most
// instructions of those that this processor and its system have. This file itself is compiled for any processor.
#include <cpuid.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"

extern "C" {
ggml_backend_reg_t ggml_backend_cpu_reg_avx2(void);
ggml_backend_reg_t ggml_backend_cpu_reg_avx512(void);
ggml_backend_reg_t ggml_backend_cpu_reg_amx(void);
}

namespace {

// What the processor says of itself, and which registers the system saves. The compiler's own test needs a part of libgcc
// that Rust does not link.
struct processor {
    uint32_t ecx_1 = 0, ebx_7 = 0, ecx_7 = 0, edx_7 = 0, eax_7_1 = 0;
    uint64_t saved = 0;

    processor() {
        uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
        if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
            ecx_1 = ecx;
        }
        if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
            ebx_7 = ebx, ecx_7 = ecx, edx_7 = edx;
            if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) {
                eax_7_1 = eax;
            }
        }
        if (all(ecx_1, {27})) {  // xgetbv is there
            uint32_t low = 0, high = 0;
            __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            saved = low;
        }
    }

    static bool all(uint64_t word, std::initializer_list<int> bits) {
        for (int bit : bits) {
            if ((word >> bit & 1) == 0) {
                return false;
            }
        }
        return true;
    }

    // AVX, FMA and F16C; AVX2 and BMI2; SSE and AVX registers.
    bool avx2() const { return all(ecx_1, {12, 28, 29}) && all(ebx_7, {5, 8}) && all(saved, {1, 2}); }

    // F, DQ, CD, BW and VL; VNNI; mask registers, and both halves of the registers of AVX-512.
    bool avx512() const {
        return avx2() && all(ebx_7, {16, 17, 28, 30, 31}) && all(ecx_7, {11}) && all(saved, {5, 6, 7});
    }

    // VBMI; BF16; tiles and their whole numbers; the tiles' registers.
    bool amx() const {
        return avx512() && all(ecx_7, {1}) && all(eax_7_1, {5}) && all(edx_7, {24, 25}) && all(saved, {17, 18});
    }
};

struct variant {
    const char * name;
    bool (processor::*possible)() const;
    ggml_backend_reg_t (*registration)();
};

// The best one comes first.
const variant variants[] = {
    {"amx", &processor::amx, ggml_backend_cpu_reg_amx},
    {"avx512", &processor::avx512, ggml_backend_cpu_reg_avx512},
    {"avx2", &processor::avx2, ggml_backend_cpu_reg_avx2},
};

// Chooses nothing where nothing is possible: then llama.cpp has nothing to compute with, and the log says why.
ggml_backend_reg_t choose() {
    const processor own;
    const char * wanted = getenv("XIETONG_INSTRUCTIONS");
    std::string possible;
    for (const variant & each : variants) {
        if (!(own.*each.possible)()) {
            continue;
        }
        if (wanted == nullptr || *wanted == '\0' || strcmp(wanted, each.name) == 0) {
            GGML_LOG_INFO("computes with %s\n", each.name);
            return each.registration();
        }
        possible += possible.empty() ? "" : ", ";
        possible += each.name;
    }
    if (possible.empty()) {
        GGML_LOG_ERROR("this processor or its system lacks AVX2, FMA, F16C or BMI2\n");
    } else {
        GGML_LOG_ERROR("XIETONG_INSTRUCTIONS asks for `%s`, and this processor has %s\n", wanted, possible.c_str());
    }
    return nullptr;
}

}  // namespace

ggml_backend_reg_t ggml_backend_cpu_reg(void) {
    static const ggml_backend_reg_t chosen = choose();
    return chosen;
}
