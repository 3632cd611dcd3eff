/** Settings of controller and agent, and their loader. */
export { fail, loadSettings } from "./settings-file";
export { repositoriesOf, repositoryOf, type Repositories } from "./repository";
