/* Grids, blocks and threads. One block runs at a time. Its threads run one after
 * the other, each until it ends or has to wait for others; then those that need
 * wait no longer go on, in a new order. A thread that ends without ever waiting
 * leaves its fiber to the next, so that kernels without barriers are plain loops. */
#include "cuda_runtime.h"
#include "fiber.h"

#include <cstdarg>
#include <cstdlib>
#include <memory>
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

enum { WARP = 32 };
const size_t STACK_BYTES = 1 << 17;
enum state { UNSTARTED, READY, AT_BARRIER, AT_SHUFFLE, ENDED };

struct fiber {
    context at;
    std::unique_ptr<char[]> stack; /* none for the scheduler, which runs on its caller's */
    unsigned thread;               /* the one it runs */
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

#ifdef __SANITIZE_ADDRESS__
/* AddressSanitizer wants to know which stack is current. */
const void *caller_stack;
size_t caller_stack_bytes;

void leave(fiber *to)
{
    void *unused;
    __sanitizer_start_switch_fiber(&unused, to->stack ? to->stack.get() : caller_stack,
                                   to->stack ? STACK_BYTES : caller_stack_bytes);
}

void arrive(void)
{
    const void *from;
    size_t bytes;
    __sanitizer_finish_switch_fiber(nullptr, &from, &bytes);
    if (!caller_stack)
        caller_stack = from, caller_stack_bytes = bytes;
}

/* The next grid may be run from another stack. */
void forget_caller(void)
{
    caller_stack = nullptr;
}
#else
void leave(fiber *) {}
void arrive(void) {}
void forget_caller(void) {}
#endif

void change(fiber *from, fiber *to)
{
    leave(to);
    context_change(&from->at, &to->at);
    arrive();
}

void resume(fiber *f)
{
    running = f;
    threadIdx = threads[f->thread].index;
    change(&scheduler, f);
}

/* Gives f the next thread, when that has not started yet. */
bool take_unstarted(fiber *f)
{
    if (next_in_order == order.size() || threads[order[next_in_order]].is != UNSTARTED)
        return false;
    thread &t = threads[order[next_in_order]];
    f->thread = order[next_in_order++];
    t.is = READY;
    t.on = f;
    threadIdx = t.index;
    return true;
}

void live(void)
{
    arrive();
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
        context_make(&f->at, f->stack.get(), STACK_BYTES, live);
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

void check_all_ended(void)
{
    for (size_t t = 0; t < threads.size(); t++)
        if (threads[t].is != ENDED)
            on_cpu::misuse("thread %zu of block (%u,%u,%u) waits at %s:%d for threads that ended or wait elsewhere", t,
                           blockIdx.x, blockIdx.y, blockIdx.z, threads[t].file, threads[t].line);
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
    check_all_ended();
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
    forget_caller();
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
