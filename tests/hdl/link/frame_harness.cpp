// Feeds a FrameDecoder: words of a file in, what it did to another one.
//   bits 0-7    byte
//   bit 8       give the byte; after a zero byte, report how often each strobe came, and frame_valid
//   bit 9       framing error
//   bit 10      report the body that waits, and release it
//   bits 11-15  clocks to wait afterwards
#include <cstdint>
#include <cstdio>
#include "Vtop.h"
#include "verilated.h"

int main(int argc, char **argv) {
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    Vtop top;
    uint8_t strobes[4] = {};
    uint64_t stuck = 0;
    auto tick = [&](int clocks) {
        while (clocks--) {
            top.clk = 0;
            top.eval();
            top.clk = 1;
            top.eval();
            strobes[0] += top.malformed;
            strobes[1] += top.oversized;
            strobes[2] += top.crc_error;
            strobes[3] += top.overrun;
        }
    };
    top.rst = 1;
    tick(2);
    top.rst = 0;
    tick(1);
    uint16_t word;
    while (fread(&word, 2, 1, in) == 1) {
        if (word & 0x100) {
            for (stuck = 0; !top.i_ready; tick(1))
                if (++stuck > 100) return 2;
            top.i_payload = word & 0xff;
            top.i_valid = 1;
        }
        top.framing_error = word >> 9 & 1;
        if (word & 0x300) tick(1);
        top.i_valid = top.framing_error = 0;
        if (word & 0x400) {
            fputc(top.frame_valid, out);
            fputc(top.length, out);
            for (int k = 0; top.frame_valid && k < top.length; k++) {
                top.address = k;
                tick(1);
                fputc(top.data, out);
            }
            top.release = 1;
            tick(1);
            top.release = 0;
        }
        tick(word >> 11);
        if ((word & 0x1ff) == 0x100) {
            tick(1);
            fwrite(strobes, 1, 4, out);
            fputc(top.frame_valid, out);
            for (auto &strobe : strobes) strobe = 0;
        }
    }
    return fclose(out) != 0;
}
