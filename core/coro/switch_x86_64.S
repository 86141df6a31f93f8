/* switch_x86_64.S - save and restore callee-saved registers, nothing else.
 *
 * void rill__coro_switch(void **save_sp, void *load_sp)
 *   Pushes the callee-saved registers, stores the stack pointer, takes the other one, pops and goes
 *   on where that context left. mxcsr and the x87 control word are not saved: a task may not change
 *   them. The jump goes through a register because the return predictor is wrong after a switch;
 *   `notrack` because the target is a return address, not an entry with endbr64.
 *
 * rill__coro_entry
 *   Where a new context begins: r12, r13 and r14 hold the arguments. The undefined return address
 *   and the zero frame pointer end every backtrace here. */
    .text
    .globl  rill__coro_switch
    .hidden rill__coro_switch
    .type   rill__coro_switch, @function
    .p2align 4
rill__coro_switch:
    .cfi_startproc
    endbr64
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    notrack jmp *%rcx
    .cfi_endproc
    .size   rill__coro_switch, . - rill__coro_switch

    .globl  rill__coro_entry
    .hidden rill__coro_entry
    .type   rill__coro_entry, @function
    .p2align 4
rill__coro_entry:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    xorl    %ebp, %ebp
    movq    %r12, %rdi
    movq    %r13, %rsi
    movq    %r14, %rdx
    call    rill__coro_main
    ud2
    .cfi_endproc
    .size   rill__coro_entry, . - rill__coro_entry

    .section .note.GNU-stack, "", @progbits
    .section .note.gnu.property, "a"
    .p2align 3
    .long   4, 16, 5
    .asciz  "GNU"
    .long   0xc0000002, 4, 1 /* GNU_PROPERTY_X86_FEATURE_1_AND: branch tracking, no shadow stack */
    .long   0
