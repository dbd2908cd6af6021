// Runs a verilated HostPort at full speed: bus operations in, trace words and words of the state out
// (memtwin/sim/engines/verilator.py).
//
// usage: harness OPERATIONS DIRECTORY KINDS [VCD]
//
// OPERATIONS is a file of 64-bit words, lowest bit first: data 16, address 24, nothing 16, operation 8 (see below).
// DIRECTORY gets trace1.bin, trace2.bin, ... with the trace words of each layer whose kind has its bit in KINDS, and
// marks.bin with one record of int64 per mark: busy clocks so far, then trace words so far of each layer. reads.bin gets
// the words that were read, 64 bits each.
// One line with a dot on standard output says that a mark was passed.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

// LAYERS is defined by the build, FOR_EACH_LAYER(F) expands to F(1) F(2) ... up to it.
#ifndef FOR_EACH_LAYER
#error "FOR_EACH_LAYER(F) must be defined"
#endif
// Clocks from a read to its word, defined by the build too.
#ifndef READ_LATENCY
#error "READ_LATENCY must be defined"
#endif

namespace {

enum Operation : uint8_t { WRITE = 0, WAIT_IDLE = 1, RESET = 2, MARK = 3, READ = 4 };

// Nothing that a design does between two idles takes this long; it turns a hang into a message.
constexpr uint64_t CLOCK_LIMIT = uint64_t{1} << 32;

[[noreturn]] void fail(const std::string &message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

class Output {
  public:
    explicit Output(const std::string &path) : path(path), file(std::fopen(path.c_str(), "wb")) {
        if (!file) fail("cannot write " + path);
    }
    void put(uint64_t word) {
        buffer.push_back(word);
        ++count;
        if (buffer.size() == buffer.capacity()) flush();
    }
    void close() {
        flush();
        if (std::fclose(file)) fail("cannot write " + path);
    }
    int64_t count = 0;

  private:
    void flush() {
        if (std::fwrite(buffer.data(), sizeof(uint64_t), buffer.size(), file) != buffer.size())
            fail("cannot write " + path);
        buffer.clear();
    }
    std::string path;
    std::FILE *file;
    std::vector<uint64_t> buffer = [] {
        std::vector<uint64_t> words;
        words.reserve(1 << 16);
        return words;
    }();
};

std::vector<uint64_t> read_operations(const std::string &path) {
    std::FILE *file = std::fopen(path.c_str(), "rb");
    if (!file) fail("cannot read " + path);
    std::vector<uint64_t> words;
    uint64_t word;
    while (std::fread(&word, sizeof word, 1, file) == 1) words.push_back(word);
    std::fclose(file);
    return words;
}

class Bench {
  public:
    Bench(const std::string &directory, unsigned kinds, const char *vcd) : kinds(kinds) {
#define OPEN(K) traces.push_back(std::make_unique<Output>(directory + "/trace" #K ".bin"));
        FOR_EACH_LAYER(OPEN)
#undef OPEN
        marks = std::make_unique<Output>(directory + "/marks.bin");
        reads = std::make_unique<Output>(directory + "/reads.bin");
#if VM_TRACE
        if (vcd) {
            Verilated::traceEverOn(true);
            top.trace(&dump, 99);
            dump.open(vcd);
        }
#else
        if (vcd) fail("built without waves");
#endif
    }

    void reset() {
        top.enable = 0;
        top.read = 0;
        top.rst = 1;
        settle();
        clock();
        top.rst = 0;
        settle();
    }

    void write(uint32_t address, uint16_t data) {
        top.address = address;
        top.data = data;
        top.enable = 1;
        settle();
        for (uint64_t waited = 0; !top.ready; ++waited) {
            if (waited == CLOCK_LIMIT) fail("the design takes no write");
            clock();
        }
        clock();
        top.enable = 0;
        settle();
    }

    void read(uint32_t address) {
        if (!top.idle) fail("the design is read while it is busy");
        top.address = address;
        top.read = 1;
        settle();
        clock();
        top.read = 0;
        settle();
        for (int passed = 1; passed < READ_LATENCY; ++passed) clock();
        reads->put(top.q);
    }

    void wait_idle() {
        for (uint64_t waited = 0; !top.idle; ++waited) {
            if (waited == CLOCK_LIMIT) fail("the design does not become idle");
            clock();
        }
    }

    void mark() {
        marks->put(busy);
        for (const auto &trace : traces) marks->put(trace->count);
        std::puts(".");
        std::fflush(stdout);
    }

    void close() {
        for (const auto &trace : traces) trace->close();
        marks->close();
        reads->close();
#if VM_TRACE
        dump.close();
#endif
        top.final();
    }

  private:
    // Inputs have changed: outputs follow.
    void settle() {
        top.clk = 0;
        top.eval();
    }

    // One clock, from settled to settled. What is on the ports before the edge is what the fabric sees at it.
    void clock() {
        busy += !top.idle;
#define TAKE(K)                                                             \
    if (top.trace##K##_valid && (kinds >> (top.trace##K##_word & 15) & 1)) \
        traces[K - 1]->put(top.trace##K##_word);
        FOR_EACH_LAYER(TAKE)
#undef TAKE
        tell();
        top.clk = 1;
        top.eval();
        tell();
        settle();
    }

    // Half a clock of waves, at 10 ns a clock.
    void tell() {
#if VM_TRACE
        if (dump.isOpen()) dump.dump(time += 5);
#endif
    }

    Vtop top;
    unsigned kinds;
    int64_t busy = 0;
    std::vector<std::unique_ptr<Output>> traces;
    std::unique_ptr<Output> marks, reads;
#if VM_TRACE
    VerilatedVcdC dump;
    uint64_t time = 0;
#endif
};

}  // namespace

int main(int argc, char **argv) {
    if (argc < 4) fail("usage: harness OPERATIONS DIRECTORY KINDS [VCD]");
    const auto operations = read_operations(argv[1]);
    Bench bench(argv[2], std::strtoul(argv[3], nullptr, 10), argc > 4 ? argv[4] : nullptr);
    bench.reset();
    for (const uint64_t word : operations) {
        switch (word >> 56) {
        case WRITE: bench.write(word >> 16 & 0xFFFFFF, word & 0xFFFF); break;
        case WAIT_IDLE: bench.wait_idle(); break;
        case RESET: bench.reset(); break;
        case MARK: bench.mark(); break;
        case READ: bench.read(word >> 16 & 0xFFFFFF); break;
        default: fail("unknown operation");
        }
    }
    bench.close();
    return 0;
}
