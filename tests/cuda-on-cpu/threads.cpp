/* Grids, blocks and threads. One block runs at a time. Its threads run one after
 * the other, each until it ends or has to wait for others; then those that need
 * wait no longer go on, in a new order. A thread that ends without ever waiting
 * leaves its fiber to the next, so that kernels without barriers are plain loops. */
#include "cuda_runtime.h"

#include <cstdarg>
#include <cstdlib>
#include <memory>
#include <ucontext.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

/* The bounds of all __shared__ variables, made by the linker. */
extern "C" {
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));
}

namespace {

enum { WARP = 32, STACK_BYTES = 1 << 17 };
enum state { UNSTARTED, READY, AT_BARRIER, AT_SHUFFLE, ENDED };

struct fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    unsigned thread; /* the one it runs */
    void *fake_stack; /* AddressSanitizer's */
};

struct thread {
    state is;
    fiber *on;
    uint3 index;
    const char *file; /* where it waits */
    int line;
    uint32_t lane[2]; /* what it shows to others in a shuffle: two in turn, since */
    unsigned turn;    /* nobody can be more than one shuffle ahead of its warp */
};

std::vector<std::unique_ptr<fiber>> fibers; /* all there are */
std::vector<fiber *> idle;
std::vector<thread> threads; /* of the block that runs */
std::vector<unsigned> order; /* in which they are looked at */
size_t next_in_order;
fiber *running;
fiber scheduler;
const std::function<void()> *body;
bool shared_used = true;
uint64_t dice;

/* ---- shuffled order --------------------------------------------------------------- */

void read_seed(void)
{
    const char *text = getenv("SIAM_CUDA_SHUFFLE");
    dice = text ? strtoull(text, nullptr, 10) : 0;
}

/* xorshift64* (Vigna 2016); 0 stays 0, which means: do not shuffle. */
unsigned roll(size_t sides)
{
    dice ^= dice >> 12;
    dice ^= dice << 25;
    dice ^= dice >> 27;
    return static_cast<unsigned>((dice * 0x2545F4914F6CDD1DULL >> 33) % sides);
}

void mix(std::vector<unsigned> &a)
{
    for (size_t i = a.size(); dice && i > 1; i--)
        std::swap(a[i - 1], a[roll(i)]);
}

std::vector<unsigned> numbers(size_t n)
{
    std::vector<unsigned> a(n);
    for (size_t i = 0; i < n; i++)
        a[i] = static_cast<unsigned>(i);
    return a;
}

/* ---- fibers ----------------------------------------------------------------------- */

/* From one stack to another; AddressSanitizer has to be told. */
void change(fiber *from, fiber *to)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack.get(), to->stack ? STACK_BYTES : 0);
#endif
    swapcontext(&from->context, &to->context);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#endif
}

void resume(fiber *f)
{
    running = f;
    threadIdx = threads[f->thread].index;
    change(&scheduler, f);
}

bool take_unstarted(fiber *f)
{
    while (next_in_order < order.size()) {
        const unsigned t = order[next_in_order++];
        if (threads[t].is != UNSTARTED)
            continue;
        threads[t].is = READY;
        threads[t].on = f;
        f->thread = t;
        threadIdx = threads[t].index;
        return true;
    }
    return false;
}

void live(void)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
    for (;;) { /* fibers are never unmade, only idle */
        do {
            (*body)();
            threads[running->thread].is = ENDED;
        } while (take_unstarted(running));
        idle.push_back(running);
        change(running, &scheduler);
    }
}

fiber *idle_fiber(void)
{
    if (idle.empty()) {
        fibers.push_back(std::make_unique<fiber>());
        fiber *f = fibers.back().get();
        f->stack.reset(new char[STACK_BYTES]);
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = f->stack.get();
        f->context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&f->context, live, 0);
        idle.push_back(f);
    }
    fiber *f = idle.back();
    idle.pop_back();
    return f;
}

void wait_as(state is, const char *file, int line)
{
    thread &me = threads[running->thread];
    me.is = is;
    me.file = file;
    me.line = line;
    change(running, &scheduler);
}

/* ---- one block -------------------------------------------------------------------- */

/* Threads [begin, end) all wait at the same place for the same thing: let them go. */
bool release(size_t begin, size_t end, state is)
{
    for (size_t t = begin; t < end; t++)
        if (threads[t].is != is || threads[t].file != threads[begin].file || threads[t].line != threads[begin].line)
            return false;
    for (size_t t = begin; t < end; t++)
        threads[t].is = READY;
    return true;
}

bool release_all(void)
{
    bool any = release(0, threads.size(), AT_BARRIER);
    for (size_t w = 0; w < threads.size(); w += WARP)
        any |= release(w, std::min<size_t>(w + WARP, threads.size()), AT_SHUFFLE);
    return any;
}

bool all_ended(void)
{
    for (const thread &t : threads)
        if (t.is == AT_BARRIER || t.is == AT_SHUFFLE)
            return false;
    return true;
}

[[noreturn]] void stuck(void)
{
    for (size_t t = 0; t < threads.size(); t++)
        if (threads[t].is == AT_BARRIER || threads[t].is == AT_SHUFFLE)
            on_cpu::misuse("thread %zu of block (%u,%u,%u) waits at %s:%d for threads that ended or wait elsewhere", t,
                           blockIdx.x, blockIdx.y, blockIdx.z, threads[t].file, threads[t].line);
    abort();
}

/* No interceptor and no instrumentation: red zones lie between the variables. */
__attribute__((no_sanitize("address"), noinline)) void poison_shared(void)
{
    for (volatile char *p = __start_cuda_shared; p < __stop_cuda_shared; p++)
        *p = static_cast<char>(0xff);
}

void run_block(void)
{
    if (shared_used)
        poison_shared();
    shared_used = false;
    for (unsigned t = 0; t < threads.size(); t++) {
        thread fresh = {};
        fresh.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
        threads[t] = fresh;
    }
    do {
        mix(order);
        for (next_in_order = 0; next_in_order < order.size();) {
            const unsigned t = order[next_in_order];
            if (threads[t].is == UNSTARTED) {
                fiber *f = idle_fiber();
                take_unstarted(f);
                resume(f);
            } else {
                next_in_order++;
                if (threads[t].is == READY)
                    resume(threads[t].on);
            }
        }
    } while (release_all());
    if (!all_ended())
        stuck();
}

} // namespace

/* ---- what kernels and the runtime call ---------------------------------------------- */

void on_cpu::misuse(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "cuda-on-cpu: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    abort();
}

void on_cpu::barrier(const char *file, int line)
{
    shared_used = true;
    wait_as(AT_BARRIER, file, line);
}

uint32_t on_cpu::shuffle(unsigned mask, uint32_t value, unsigned lane_xor, const char *file, int line)
{
    const unsigned me = running->thread, other = me ^ lane_xor;
    if (mask != 0xffffffffu || lane_xor >= WARP || other >= threads.size())
        misuse("%s:%d: only whole warps may shuffle here", file, line);
    const unsigned turn = threads[me].turn++ % 2;
    threads[me].lane[turn] = value;
    wait_as(AT_SHUFFLE, file, line);
    return threads[other].lane[turn];
}

void on_cpu::run_grid(dim3 grid, dim3 block, const std::function<void()> &one)
{
    read_seed();
    body = &one;
    gridDim = grid;
    blockDim = block;
    threads.resize(static_cast<size_t>(block.x) * block.y * block.z);
    order = numbers(threads.size());
    std::vector<unsigned> blocks = numbers(static_cast<size_t>(grid.x) * grid.y * grid.z);
    mix(blocks);
    for (unsigned b : blocks) {
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
        run_block();
    }
}
