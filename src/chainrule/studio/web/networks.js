// The files that a page opens as networks, or of which it says what would make one that it opens; by their names.
export const isNetwork = (name) => /\.(onnx|safetensors|keras|h5|pt|pth|pkl|zip)$/i.test(name);
