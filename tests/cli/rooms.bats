#!/usr/bin/env bats
# The arrows between rooms point down only: each room includes what is below it.

# includes ROOM ALLOWED...: fails when a file of ROOM includes another room.
includes() {
    local room=$1 found
    shift
    found=$(grep -rhoE '^#include "[a-z_-]+/' --include='*.[ch]' --include='*.cu' --include='*.cuh' "$room" |
        sed 's/^#include "//; s|/$||' | sort -u)
    [ -n "$found" ]
    for other in $found; do
        [[ " $room $* " == *" $other "* ]] || { echo "$room includes $other"; return 1; }
    done
}

@test "kernels includes nothing above it" { includes kernels; }
@test "data includes kernels" { includes data kernels; }
@test "tokenize includes data, kernels" { includes tokenize data kernels; }
@test "embeddings includes tokenize and below" { includes embeddings tokenize data kernels; }
@test "tfidf includes embeddings and below" { includes tfidf embeddings tokenize data kernels; }
@test "siamese includes data and kernels, no words" { includes siamese data kernels; }

@test "no room but kernels knows CUDA or BLAS" {
    run grep -rlE 'cuda_runtime|cublas|cblas' --include='*.[ch]' data tokenize embeddings tfidf siamese
    [ "$status" -eq 1 ]
}
