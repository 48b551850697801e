/**
 * svm_shared_address_space_fine_grain: the same lists in memory that nobody allocated for the device.
 *
 * @module
 */
import { SVM } from '../../capabilities.ts';
import type { SvmCase } from '../case.ts';

export const fineGrainSystem: SvmCase = {
  name: 'svm_shared_address_space_fine_grain: lists in plain memory of the process (system SVM)',
  skip: ({ devices }) => {
    const without = devices.filter(({ device }) => (device.capabilities & SVM.SYSTEM_ALLOCATED) === 0);
    if (without.length > 0)
      return `system SVM: ${without.map(({ name }) => name).join(' and ')} can't reach memory that was not allocated for it (SYSTEM_ALLOCATED)`;
    return 'system SVM: the suite has no case yet for devices with SYSTEM_ALLOCATED';
  },
  run: () => Promise.reject(new Error('not written')),
};
