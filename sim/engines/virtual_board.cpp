// Runs a verilated twin behind its UART at full speed: bytes in, bytes out (memtwin/sim/engines/virtual_board.py).
//
// usage: harness DESCRIPTOR
//
// Standard input is what a host sends, standard output what the twin sends; the end of standard input is the end.
// The lines are driven and sampled clock by clock, with the bit time that the twin shows on its port `divider`.
// DESCRIPTOR is an open file of five 64-bit words that hold, at any moment, the clocks so far, the bytes in and out, and
// whether the twin has nothing to do, and whether it sleeps then: its clock stands still, unless it must not.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"

namespace {

// Clocks without anything to do after which the twin sleeps; more than it takes to answer, and to send an event late.
constexpr uint64_t QUIET_CLOCKS = 1 << 14;
// Clocks between two looks at standard input that found nothing.
constexpr uint64_t LOOK_CLOCKS = 1 << 7;
// Clocks between two writes to standard output; a zero byte ends a frame, and leaves at once.
constexpr uint64_t WRITE_CLOCKS = 1 << 12;

[[noreturn]] void fail(const char *message) {
    std::fprintf(stderr, "%s\n", message);
    std::exit(1);
}

struct Counts {
    uint64_t clocks, received, sent, quiet, asleep;
};

Counts *map_counts(int descriptor) {
    void *memory = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED) fail("cannot map the file of counts");
    return static_cast<Counts *>(memory);
}

// What a host sends, waiting to be put on the line.
class Input {
  public:
    // Look for bytes; wait for them if told to. False at the end.
    bool look(bool wait) {
        pollfd standard_input{STDIN_FILENO, POLLIN, 0};
        if (poll(&standard_input, 1, wait ? -1 : 0) <= 0) return true;
        const ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
        if (size < 0) return errno == EINTR || errno == EAGAIN;
        at = 0;
        end = size;
        return size > 0;
    }
    bool empty() const { return at == end; }
    uint8_t take() { return buffer[at++]; }

  private:
    uint8_t buffer[4096];
    size_t at = 0, end = 0;
};

class Output {
  public:
    void put(uint8_t byte) {
        buffer[size++] = byte;
        if (size == sizeof buffer) flush();
    }
    void flush() {
        for (size_t at = 0; at < size;) {
            const ssize_t done = write(STDOUT_FILENO, buffer + at, size - at);
            if (done >= 0) at += done;
            else if (errno != EINTR) std::exit(0);  // nobody listens any more
        }
        size = 0;
    }

  private:
    uint8_t buffer[1024];
    size_t size = 0;
};

// Puts bytes on a line: start bit, 8 data bits, stop bit.
class Transmitter {
  public:
    bool idle() const { return bits == 0; }
    bool line() const { return idle() || (frame & 1); }
    void start(uint8_t byte, unsigned bit_clocks) {
        frame = 1u << 9 | byte << 1;
        bits = 10;
        left = length = bit_clocks;
    }
    void clock() {
        if (idle() || --left) return;
        frame >>= 1;
        --bits;
        left = length;
    }

  private:
    unsigned frame = 1, bits = 0, left = 0, length = 0;
};

// Takes bytes from a line, in the middle of each bit.
class Receiver {
  public:
    bool idle() const { return bits == 0; }
    // True when there is a new byte.
    bool clock(bool line, unsigned bit_clocks) {
        if (idle()) {
            if (line) return false;
            bits = 10;
            length = bit_clocks;
            left = length / 2;
            frame = 0;
        }
        if (left-- > 0) return false;
        left = length - 1;
        frame |= unsigned(line) << (10 - bits);
        if (--bits) return false;
        if (frame & 1 || !(frame >> 9)) fail("the twin sends a byte without start or stop bit");
        byte = frame >> 1 & 0xFF;
        return true;
    }
    uint8_t byte = 0;

  private:
    unsigned frame = 0, bits = 0, left = 0, length = 0;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) fail("usage: harness DESCRIPTOR");
    std::signal(SIGPIPE, SIG_IGN);
    Counts &counts = *map_counts(std::atoi(argv[1]));
    Vtop top;
    Input input;
    Output output;
    Transmitter to_twin;
    Receiver from_twin;

    auto clock = [&top] {
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    };
    top.rx = 1;
    top.rst = 1;
    clock();
    top.rst = 0;

    uint64_t quiet = 0, next_look = 0;
    for (;;) {
        counts.quiet = quiet >= QUIET_CLOCKS;
        const bool asleep = counts.quiet && !top.awake;
        if (input.empty() && to_twin.idle() && (asleep || counts.clocks >= next_look)) {
            if (counts.quiet) output.flush();
            counts.asleep = asleep;
            if (!input.look(asleep)) break;
            counts.asleep = 0;
            next_look = input.empty() ? counts.clocks + LOOK_CLOCKS : 0;
            quiet = asleep ? 0 : quiet;
        }
        if (to_twin.idle() && !input.empty()) {
            to_twin.start(input.take(), top.divider);
            counts.quiet = 0;
            ++counts.received;
        }
        top.rx = to_twin.line();
        clock();
        to_twin.clock();
        ++counts.clocks;
        if (from_twin.clock(top.tx, top.divider)) {
            output.put(from_twin.byte);
            ++counts.sent;
            if (from_twin.byte == 0) output.flush();
        }
        if (counts.clocks % WRITE_CLOCKS == 0) output.flush();
        quiet = top.idle && to_twin.idle() && from_twin.idle() ? quiet + 1 : 0;
    }
    output.flush();
    top.final();
    return 0;
}
