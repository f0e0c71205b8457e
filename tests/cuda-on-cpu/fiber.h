/* Another stack to run on. */
#ifndef SIAM_CUDA_ON_CPU_FIBER_H
#define SIAM_CUDA_ON_CPU_FIBER_H

#include <cstddef>
#include <memory>

#ifdef __x86_64__

/* Kernels change stacks millions of times, and swapcontext asks the operating
 * system about signals each time: two system calls. So here is the change alone:
 * the registers that a call preserves (System V ABI, figure 3.4) go onto the old
 * stack, and come from the new one. */
struct context {
    void *stack_pointer;
};

extern "C" void on_cpu_change(void **save, void *load);
asm(".pushsection .text\n"
    ".globl on_cpu_change\n"
    ".hidden on_cpu_change\n"
    ".type on_cpu_change, @function\n"
    "on_cpu_change:\n"
    "    push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
    "    mov %rsp, (%rdi)\n"
    "    mov %rsi, %rsp\n"
    "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
    "    ret\n"
    ".popsection\n");

static inline void context_make(context *c, char *stack, size_t bytes, void (*entry)(void))
{
    void **top = reinterpret_cast<void **>(reinterpret_cast<uintptr_t>(stack + bytes) & ~static_cast<uintptr_t>(15));
    *--top = nullptr; /* entry never returns; and a call leaves the stack 8 off a multiple of 16 */
    *--top = reinterpret_cast<void *>(entry);
    c->stack_pointer = top - 6;
}

static inline void context_change(context *from, context *to)
{
    on_cpu_change(&from->stack_pointer, to->stack_pointer);
}

#else
#include <ucontext.h>

struct context {
    ucontext_t it;
};

static inline void context_make(context *c, char *stack, size_t bytes, void (*entry)(void))
{
    getcontext(&c->it);
    c->it.uc_stack.ss_sp = stack;
    c->it.uc_stack.ss_size = bytes;
    makecontext(&c->it, entry, 0);
}

static inline void context_change(context *from, context *to)
{
    swapcontext(&from->it, &to->it);
}

#endif
#endif
