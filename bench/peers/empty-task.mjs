// The task of the piscina peer: as empty as our kernel.
export default () => {};
