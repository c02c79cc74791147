// The kernels whose loops a test reads as assembly (tests/engines/test_assembly.py): of whole tiles, which hold nearly all of a step's
// products, of the update by Adam, and of the slopes of activations.
#include "blocks32.h"
#include "epilogues.h"
#include "optimizers.h"

namespace chainrule::CHAINRULE_ISA {

template void forward_tile<float, TILE_ROWS, 2, All>(const Tile<float>&, All, const Epilogue<float>&);
template void forward_tile<float, TILE_ROWS, 2, Places>(const Tile<float>&, Places, const Epilogue<float>&);
template void gradient_tile<float, TILE_ROWS, 2, All>(const float*, int64_t, const float*, int64_t, float*, All, bool);
template void gradient_tile<float, TILE_ROWS, 2, Places>(const float*, int64_t, const float*, int64_t, float*, Places, bool);
template void chain_tile<float, CHAIN_ROWS, 2>(const Chains<float>&);
template float update<float>(Rule, const Step<float>&, All, Stored<float>, float*, float*, float*, float*);
template void times_prime_rows<float>(Activation, float, Rows<float>, Rows<float>, const float*, Rows<float>, float*, int64_t, int64_t,
                                      int64_t, bool);

}  // namespace chainrule::CHAINRULE_ISA
